SELECT 'column is back' AS violation, 'products.inventory.sale_overview' AS subject
FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass('products.inventory') AND attname = 'sale_overview' AND NOT attisdropped;
