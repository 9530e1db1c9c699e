ALTER TABLE transactions.orders DROP COLUMN external_id;
ALTER TABLE transactions.orders ALTER COLUMN stockx_order_number SET NOT NULL;
COMMENT ON COLUMN transactions.orders.stockx_order_number IS 'Number as StockX writes it.';
