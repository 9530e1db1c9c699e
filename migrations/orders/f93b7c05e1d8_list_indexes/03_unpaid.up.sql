-- 03_unpaid.up.sql of "orders: indexes for lists of orders"  phase: EXPAND
-- Why: the small set of orders that wait for their payout; built while the table is written to.
CREATE INDEX CONCURRENTLY orders_payout_received_sold_at_idx
    ON transactions.orders (payout_received, sold_at) WHERE payout_received IS NOT TRUE;
