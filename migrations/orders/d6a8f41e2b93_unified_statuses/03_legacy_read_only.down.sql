GRANT INSERT, UPDATE, DELETE ON transactions.transactions TO orders_app;
