-- 01_platform.up.sql of "Multi-platform orders"                                                phase: EXPAND
-- Why: an order belongs to a marketplace. The column is nullable and the foreign key unproven at first, so that neither
-- existing rows nor running writers are in the way; later steps fill, prove and require it.
ALTER TABLE transactions.orders ADD COLUMN platform_id uuid;
ALTER TABLE transactions.orders
    ADD CONSTRAINT fk_orders_platform FOREIGN KEY (platform_id) REFERENCES core.platforms (id) ON DELETE RESTRICT NOT VALID;
COMMENT ON COLUMN transactions.orders.platform_id IS 'Marketplace on which the item was sold.';
