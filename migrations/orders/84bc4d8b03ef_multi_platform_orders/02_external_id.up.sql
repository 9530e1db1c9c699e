-- 02_external_id.up.sql of "Multi-platform orders"                                             phase: EXPAND
-- Why: every platform has order ids of its own; only StockX orders have a StockX number. It stays unique.
ALTER TABLE transactions.orders ALTER COLUMN stockx_order_number DROP NOT NULL;
ALTER TABLE transactions.orders ADD COLUMN external_id varchar(200);
COMMENT ON COLUMN transactions.orders.external_id IS 'Order id of the platform as <slug>_<platform order id>.';
COMMENT ON COLUMN transactions.orders.stockx_order_number IS 'Number as StockX writes it; NULL for other platforms.';
