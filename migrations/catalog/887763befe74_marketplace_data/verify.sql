-- History is append-only for everybody but its owner.
SELECT 'catalog_app may change price history: ' || privilege AS violation, 'products.marketplace_price_history' AS subject
FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege('catalog_app', 'products.marketplace_price_history', privilege);

-- Without a default partition a write fails as soon as a month has no partition.
SELECT 'price history has no default partition' AS violation, 'products.marketplace_price_history' AS subject
WHERE NOT EXISTS (
    SELECT 1
    FROM pg_catalog.pg_partitioned_table
    WHERE partrelid = to_regclass('products.marketplace_price_history') AND partdefid <> 0
);
