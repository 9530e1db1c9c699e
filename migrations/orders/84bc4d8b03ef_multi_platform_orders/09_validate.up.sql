-- 09_validate.up.sql of "Multi-platform orders"                                                phase: EXPAND
-- Why: validated constraints are proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE transactions.orders VALIDATE CONSTRAINT fk_orders_platform;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_platform_fee_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_shipping_cost_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_platform_id_check;
