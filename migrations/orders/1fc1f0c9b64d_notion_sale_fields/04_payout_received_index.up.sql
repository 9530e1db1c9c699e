-- 04_payout_received_index.up.sql of "Notion sale fields"  phase: EXPAND
-- Why: orders by payout; built while the table is written to.
CREATE INDEX CONCURRENTLY idx_orders_payout_received ON transactions.orders (payout_received);
