-- 03_sold_at_index.up.sql of "Notion sale fields"  phase: EXPAND
-- Why: sales by time; built while the table is written to.
CREATE INDEX CONCURRENTLY idx_orders_sold_at ON transactions.orders (sold_at);
