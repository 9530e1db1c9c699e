-- 01_platform_status_sold_at.up.sql of "orders: indexes for lists of orders"  phase: EXPAND
-- Why: newest orders of a platform in a status; built while the table is written to.
CREATE INDEX CONCURRENTLY orders_platform_id_status_sold_at_idx
    ON transactions.orders (platform_id, status, sold_at DESC NULLS LAST);
