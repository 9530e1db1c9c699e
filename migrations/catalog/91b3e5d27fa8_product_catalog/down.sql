DROP TABLE products.products;
DROP TABLE products.sizes;
DROP TABLE products.categories;
DROP TABLE products.brand_patterns;
DROP TABLE products.brands;
REVOKE USAGE ON SCHEMA products FROM orders_owner, orders_app, finance_owner, finance_app;
