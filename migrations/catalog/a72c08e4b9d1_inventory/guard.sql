SELECT 'listings' AS what, count(*) AS count FROM products.listings HAVING count(*) > 0;
SELECT 'inventory items' AS what, count(*) AS count FROM products.inventory HAVING count(*) > 0;
SELECT 'units held by orders' AS what, count(*) AS count FROM products.item_orders HAVING count(*) > 0;
