SELECT 'price rule ends before it begins' AS violation, name::text AS subject
FROM products.price_rules
WHERE effective_until < effective_from;

SELECT 'brand multiplier ends before it begins' AS violation, id::text AS subject
FROM products.brand_multipliers
WHERE effective_until < effective_from;
