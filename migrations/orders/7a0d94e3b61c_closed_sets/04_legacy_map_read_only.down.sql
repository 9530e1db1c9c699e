GRANT INSERT, UPDATE, DELETE ON transactions.legacy_order_map TO orders_app;
