-- A constraint cannot be made unproven in place: it is replaced by the one that the steps before left.
ALTER TABLE transactions.orders
    DROP CONSTRAINT orders_platform_id_check,
    DROP CONSTRAINT orders_shipping_cost_check,
    DROP CONSTRAINT orders_platform_fee_check,
    DROP CONSTRAINT fk_orders_platform,
    ADD CONSTRAINT fk_orders_platform FOREIGN KEY (platform_id) REFERENCES core.platforms (id) ON DELETE RESTRICT NOT VALID,
    ADD CONSTRAINT orders_platform_fee_check CHECK (platform_fee <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_shipping_cost_check CHECK (shipping_cost <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_platform_id_check CHECK (platform_id IS NOT NULL) NOT VALID;
