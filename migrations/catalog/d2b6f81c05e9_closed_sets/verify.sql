SELECT 'inventory type check is missing or unproven' AS violation, 'products.listings' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint
    WHERE conrelid = to_regclass('products.listings') AND conname = 'listings_inventory_type_check' AND convalidated
);

SELECT 'column does not say what it means' AS violation, on_table || '.' || expected AS subject
FROM (VALUES
    ('core.platforms', 'name'),
    ('core.suppliers', 'email'),
    ('core.suppliers', 'phone'),
    ('core.suppliers', 'website'),
    ('core.system_config', 'key')
) AS columns (on_table, expected)
WHERE NOT EXISTS (
    SELECT 1
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = to_regclass(on_table) AND a.attname = expected
        AND col_description(a.attrelid, a.attnum) IS NOT NULL
);
