-- The five initial rows come back with the next upgrade; what people added or changed does not.
SELECT 'platforms added or changed' AS what, count(*) AS count
FROM core.platforms AS p
LEFT JOIN (VALUES
    ('StockX', 'stockx', 9.50, true),
    ('eBay', 'ebay', 10.00, true),
    ('GOAT', 'goat', 9.50, true),
    ('Alias', 'alias', 0.00, false),
    ('Grailed', 'grailed', 9.00, true)
) AS initial (name, slug, fee_percentage, supports_fees)
    ON p.slug = initial.slug AND p.name = initial.name AND p.active
    AND p.fee_percentage = initial.fee_percentage AND p.supports_fees = initial.supports_fees
WHERE initial.slug IS NULL
HAVING count(*) > 0;
SELECT 'suppliers' AS what, count(*) AS count FROM core.suppliers HAVING count(*) > 0;
SELECT 'configuration secrets' AS what, count(*) AS count FROM core.system_config HAVING count(*) > 0;
SELECT 'users' AS what, count(*) AS count FROM core.users HAVING count(*) > 0;
