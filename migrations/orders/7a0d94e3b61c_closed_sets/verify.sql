SELECT 'check is missing or unproven' AS violation, expected AS subject
FROM (VALUES
    ('transactions.orders', 'orders_inventory_type_check'),
    ('transactions.import_records', 'import_records_status_check')
) AS checks (on_table, expected)
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint
    WHERE conrelid = to_regclass(on_table) AND conname = expected AND convalidated
);

SELECT 'orders_app may change the legacy map: ' || privilege AS violation, 'transactions.legacy_order_map' AS subject
FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege('orders_app', 'transactions.legacy_order_map', privilege);

-- Whoever reads the table by hand would take an order without currency for one of unknown currency.
SELECT 'column does not say what NULL means' AS violation, 'transactions.orders.currency_code' AS subject
WHERE NOT EXISTS (
    SELECT 1
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = to_regclass('transactions.orders') AND a.attname = 'currency_code'
        AND strpos(col_description(a.attrelid, a.attnum), 'NULL in migrated rows means EUR') > 0
);
