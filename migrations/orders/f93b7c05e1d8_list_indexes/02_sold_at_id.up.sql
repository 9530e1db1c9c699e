-- 02_sold_at_id.up.sql of "orders: indexes for lists of orders"  phase: EXPAND
-- Why: pages by time of sale, orders without one last, ties by id; built while the table is written to.
CREATE INDEX CONCURRENTLY orders_sold_at_id_idx
    ON transactions.orders (sold_at DESC NULLS LAST, id);
