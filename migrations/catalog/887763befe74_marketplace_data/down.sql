DROP TABLE products.marketplace_price_history;
DROP TABLE products.marketplace_data;
