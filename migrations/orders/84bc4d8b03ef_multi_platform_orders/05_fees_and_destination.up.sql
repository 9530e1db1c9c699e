-- 05_fees_and_destination.up.sql of "Multi-platform orders"                                    phase: EXPAND
-- Why: the last columns that only the legacy table had. Shipping may be slightly negative: platforms correct it.
ALTER TABLE transactions.orders
    ADD COLUMN platform_fee numeric(10,2),
    ADD COLUMN shipping_cost numeric(10,2),
    ADD COLUMN buyer_destination_country varchar(100),
    ADD COLUMN buyer_destination_city varchar(200),
    ADD COLUMN notes text;
ALTER TABLE transactions.orders
    ADD CONSTRAINT orders_platform_fee_check CHECK (platform_fee <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_shipping_cost_check CHECK (shipping_cost <> 'NaN') NOT VALID;
COMMENT ON COLUMN transactions.orders.platform_fee IS
    'All fees the platform keeps, in currency_code. In rows migrated from the legacy table the commission only.';
COMMENT ON COLUMN transactions.orders.shipping_cost IS 'Shipping paid by the seller, in currency_code; may be slightly negative.';
COMMENT ON COLUMN transactions.orders.buyer_destination_country IS 'Country of the buyer by name; buyers are anonymous.';
