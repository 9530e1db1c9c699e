ALTER TABLE transactions.orders DROP CONSTRAINT orders_platform_id_check;
