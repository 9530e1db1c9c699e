SELECT 'market snapshots' AS what, count(*) AS count FROM products.marketplace_data HAVING count(*) > 0;
SELECT 'price history rows' AS what, count(*) AS count FROM products.marketplace_price_history HAVING count(*) > 0;
