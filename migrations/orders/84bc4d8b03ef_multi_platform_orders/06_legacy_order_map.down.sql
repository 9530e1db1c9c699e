DROP TABLE transactions.legacy_order_map;
