SELECT 'price rules' AS what, count(*) AS count FROM products.price_rules HAVING count(*) > 0;
SELECT 'brand multipliers' AS what, count(*) AS count FROM products.brand_multipliers HAVING count(*) > 0;
