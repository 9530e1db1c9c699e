-- 04_platform_external_id_key.up.sql of "Multi-platform orders"                                phase: EXPAND
-- Why: the same order must not enter twice when an import is repeated; built while the table is written to.
CREATE UNIQUE INDEX CONCURRENTLY orders_platform_id_external_id_key ON transactions.orders (platform_id, external_id)
    WHERE external_id IS NOT NULL;
