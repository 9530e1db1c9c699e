-- 01_columns.up.sql of "Notion sale fields"                                                 phase: EXPAND
-- Why: what a sale brought is known from the Notion sync and later from payouts. The default of payout_received is set
-- after the column was added: NULL in an old row means unknown, false would claim that it was never paid.
ALTER TABLE transactions.orders
    ADD COLUMN sold_at timestamptz,
    ADD COLUMN gross_sale numeric(10,2),
    ADD COLUMN net_proceeds numeric(10,2),
    ADD COLUMN gross_profit numeric(10,2),
    ADD COLUMN net_profit numeric(10,2),
    ADD COLUMN roi numeric(5,2),
    ADD COLUMN payout_received boolean,
    ADD COLUMN payout_date timestamptz,
    ADD COLUMN shelf_life_days integer;
ALTER TABLE transactions.orders ALTER COLUMN payout_received SET DEFAULT false;

ALTER TABLE transactions.orders
    ADD CONSTRAINT orders_gross_sale_check CHECK (gross_sale >= 0 AND gross_sale <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_net_proceeds_check CHECK (net_proceeds <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_gross_profit_check CHECK (gross_profit <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_net_profit_check CHECK (net_profit <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_roi_check CHECK (roi <> 'NaN') NOT VALID,
    ADD CONSTRAINT orders_payout_date_payout_received_check
        CHECK (payout_date IS NULL OR payout_received IS TRUE) NOT VALID,
    ADD CONSTRAINT orders_shelf_life_days_check CHECK (shelf_life_days >= 0) NOT VALID;

COMMENT ON COLUMN transactions.orders.sold_at IS 'Time of the sale. Reports group by its UTC day.';
COMMENT ON COLUMN transactions.orders.gross_sale IS 'What the buyer side agreed to pay before any seller fee.';
COMMENT ON COLUMN transactions.orders.net_proceeds IS
    'What reaches the seller: the payout of the platform if known, else gross_sale - platform_fee - shipping_cost.';
COMMENT ON COLUMN transactions.orders.gross_profit IS 'gross_sale minus the net purchase price.';
COMMENT ON COLUMN transactions.orders.net_profit IS
    'net_proceeds minus the net purchase price. In rows migrated from the legacy table copied unchanged and no profit.';
COMMENT ON COLUMN transactions.orders.roi IS 'net_profit / net purchase price in percent. NULL without a price above 0.';
COMMENT ON COLUMN transactions.orders.payout_received IS 'True: paid. False: not yet. NULL: unknown.';
COMMENT ON COLUMN transactions.orders.payout_date IS 'When the payout was made; only with payout_received.';
COMMENT ON COLUMN transactions.orders.shelf_life_days IS 'Days from purchase to sale, both in UTC.';
