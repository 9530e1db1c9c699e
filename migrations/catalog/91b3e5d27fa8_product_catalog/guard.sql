SELECT 'products' AS what, count(*) AS count FROM products.products HAVING count(*) > 0;
SELECT 'sizes' AS what, count(*) AS count FROM products.sizes HAVING count(*) > 0;
SELECT 'categories' AS what, count(*) AS count FROM products.categories HAVING count(*) > 0;
SELECT 'brand patterns' AS what, count(*) AS count FROM products.brand_patterns HAVING count(*) > 0;
SELECT 'brands' AS what, count(*) AS count FROM products.brands HAVING count(*) > 0;
