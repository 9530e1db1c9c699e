-- 07_require_platform.up.sql of "Multi-platform orders"                                        phase: EXPAND
-- Why: rows written while the existing ones are filled must not reopen the gap.
ALTER TABLE transactions.orders
    ADD CONSTRAINT orders_platform_id_check CHECK (platform_id IS NOT NULL) NOT VALID;
