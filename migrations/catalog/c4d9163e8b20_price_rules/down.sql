DROP TABLE products.brand_multipliers;
DROP TABLE products.price_rules;
