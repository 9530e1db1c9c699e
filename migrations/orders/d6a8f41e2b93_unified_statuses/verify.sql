SELECT 'orders_app may change legacy transactions: ' || privilege AS violation, 'transactions.transactions' AS subject
FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege('orders_app', 'transactions.transactions', privilege);

SELECT 'status check is missing or unproven' AS violation, 'transactions.orders' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint
    WHERE conrelid = to_regclass('transactions.orders') AND conname = 'orders_status_check' AND convalidated
);
