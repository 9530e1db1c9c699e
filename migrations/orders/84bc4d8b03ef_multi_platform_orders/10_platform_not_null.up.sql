-- 10_platform_not_null.up.sql of "Multi-platform orders"                                       phase: EXPAND
-- Why: NOT NULL is what readers rely on. The proven check spares the scan and is then no longer needed.
ALTER TABLE transactions.orders ALTER COLUMN platform_id SET NOT NULL;
ALTER TABLE transactions.orders DROP CONSTRAINT orders_platform_id_check;
