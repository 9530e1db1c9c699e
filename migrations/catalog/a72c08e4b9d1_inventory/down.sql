DROP VIEW products.item_summaries;
DROP TABLE products.item_orders;
DROP TABLE products.listings;
DROP TABLE products.inventory;
