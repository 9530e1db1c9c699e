ALTER TABLE transactions.orders DROP CONSTRAINT orders_status_check;
COMMENT ON COLUMN transactions.orders.status IS NULL;
