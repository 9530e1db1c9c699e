SELECT 'finance_owner may not read the legacy map' AS violation, 'transactions.legacy_order_map' AS subject
WHERE NOT has_table_privilege('finance_owner', 'transactions.legacy_order_map', 'SELECT');

SELECT 'check is missing or unproven' AS violation, 'orders_roi_check' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint
    WHERE conrelid = to_regclass('transactions.orders') AND conname = 'orders_roi_check' AND convalidated
);
