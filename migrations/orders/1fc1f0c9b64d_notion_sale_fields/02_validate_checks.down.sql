-- A constraint cannot be made unproven in place: it is replaced by the one that the step before left.
ALTER TABLE transactions.orders
    DROP CONSTRAINT orders_shelf_life_days_check,
    DROP CONSTRAINT orders_payout_date_payout_received_check,
    DROP CONSTRAINT orders_roi_check,
    DROP CONSTRAINT orders_net_profit_check,
    DROP CONSTRAINT orders_gross_profit_check,
    DROP CONSTRAINT orders_net_proceeds_check,
    DROP CONSTRAINT orders_gross_sale_check,
    ADD CONSTRAINT orders_gross_sale_check CHECK (gross_sale >= 0 AND gross_sale <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_net_proceeds_check CHECK (net_proceeds <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_gross_profit_check CHECK (gross_profit <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_net_profit_check CHECK (net_profit <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_roi_check CHECK (roi <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_payout_date_payout_received_check
        CHECK (payout_date IS NULL OR payout_received IS TRUE) NOT VALID,
    ADD CONSTRAINT orders_shelf_life_days_check CHECK (shelf_life_days >= 0) NOT VALID;
