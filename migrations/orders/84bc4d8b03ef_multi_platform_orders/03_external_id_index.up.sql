-- 03_external_id_index.up.sql of "Multi-platform orders"                                       phase: EXPAND
-- Why: orders are looked up by their external id; built while the table is written to.
CREATE INDEX CONCURRENTLY ix_orders_external_id ON transactions.orders (external_id);
