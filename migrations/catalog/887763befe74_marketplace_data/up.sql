-- up.sql of "Marketplace data table"                                                        phase: EXPAND
-- Why: asks drift away from the market when nobody sees it. The snapshot has one row per item and platform and is
-- updated in place (hence the fill factor); every change of a price is also appended to the history.
CREATE TABLE products.marketplace_data (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    inventory_item_id uuid NOT NULL REFERENCES products.inventory (id) ON DELETE RESTRICT,
    platform_id uuid NOT NULL REFERENCES core.platforms (id) ON DELETE RESTRICT,
    marketplace_listing_id varchar(255),
    ask_price numeric(10,2) CHECK (ask_price <> 'NaN'),
    bid_price numeric(10,2) CHECK (bid_price <> 'NaN'),
    market_lowest_ask numeric(10,2) CHECK (market_lowest_ask <> 'NaN'),
    market_highest_bid numeric(10,2) CHECK (market_highest_bid <> 'NaN'),
    last_sale_price numeric(10,2) CHECK (last_sale_price <> 'NaN'),
    sales_frequency integer CHECK (sales_frequency >= 0),
    volatility numeric(5,4) CHECK (volatility BETWEEN 0 AND 1),
    fees_percentage numeric(5,4) CHECK (fees_percentage BETWEEN 0 AND 1),
    platform_specific jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (inventory_item_id, platform_id)
) WITH (fillfactor = 80);
CREATE INDEX marketplace_data_platform_id_idx ON products.marketplace_data (platform_id);
CREATE INDEX marketplace_data_inventory_item_id_idx ON products.marketplace_data (inventory_item_id);
CREATE INDEX marketplace_data_updated_at_idx ON products.marketplace_data (updated_at);
CREATE INDEX marketplace_data_ask_price_idx ON products.marketplace_data (ask_price) WHERE ask_price IS NOT NULL;
COMMENT ON TABLE products.marketplace_data IS 'Current market snapshot, one row per item and platform.';
COMMENT ON COLUMN products.marketplace_data.marketplace_listing_id IS 'Listing id of the platform.';
COMMENT ON COLUMN products.marketplace_data.ask_price IS 'Own current ask. NULL: not listed.';
COMMENT ON COLUMN products.marketplace_data.bid_price IS 'Current bid on the own listing.';
COMMENT ON COLUMN products.marketplace_data.market_lowest_ask IS 'Lowest ask of all sellers.';
COMMENT ON COLUMN products.marketplace_data.market_highest_bid IS 'Highest bid of all buyers.';
COMMENT ON COLUMN products.marketplace_data.last_sale_price IS 'Price of the latest trade of the same product and size.';
COMMENT ON COLUMN products.marketplace_data.sales_frequency IS 'Sales of the last 30 days.';
COMMENT ON COLUMN products.marketplace_data.volatility IS
    'Standard deviation of last_sale_price over 30 days divided by its mean, 0 to 1. NULL with fewer than 3 points.';
COMMENT ON COLUMN products.marketplace_data.fees_percentage IS
    'Fee as a FRACTION (0.0800 = 8 %), despite its name. core.platforms.fee_percentage is percent.';
COMMENT ON COLUMN products.marketplace_data.platform_specific IS
    'Keys: askId, variantId, currency_code, listing_status, condition_grade, processing_time_days, authentication.';
COMMENT ON COLUMN products.marketplace_data.updated_at IS 'Time of the last observation; older observations are ignored.';

CREATE TABLE products.marketplace_price_history (
    id bigint GENERATED ALWAYS AS IDENTITY,
    inventory_item_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    observed_at timestamptz NOT NULL,
    ask_price numeric(10,2) CHECK (ask_price <> 'NaN'),
    bid_price numeric(10,2) CHECK (bid_price <> 'NaN'),
    market_lowest_ask numeric(10,2) CHECK (market_lowest_ask <> 'NaN'),
    market_highest_bid numeric(10,2) CHECK (market_highest_bid <> 'NaN'),
    last_sale_price numeric(10,2) CHECK (last_sale_price <> 'NaN'),
    currency_code char(3) NOT NULL DEFAULT 'EUR',
    source varchar(50) CHECK (source IN ('internal', 'stockx', 'goat', 'ebay', 'grailed', 'manual')),
    price_type varchar(30) NOT NULL CHECK (price_type IN ('listing', 'sale', 'market', 'competitor', 'purchase')),
    change_reason varchar(100),
    CONSTRAINT marketplace_price_history_pkey PRIMARY KEY (id, observed_at),
    CONSTRAINT marketplace_price_history_item_platform_observed_at_type_key
        UNIQUE (inventory_item_id, platform_id, observed_at, price_type)
) PARTITION BY RANGE (observed_at);
CREATE TABLE products.marketplace_price_history_default
    PARTITION OF products.marketplace_price_history DEFAULT;
CREATE INDEX marketplace_price_history_item_platform_observed_at_idx
    ON products.marketplace_price_history (inventory_item_id, platform_id, observed_at DESC);
COMMENT ON TABLE products.marketplace_price_history IS
    'Every change of a market price, append-only, one partition per month. Item and platform are not foreign keys: history '
    'outlives them and is written at a rate at which each check would count.';
COMMENT ON TABLE products.marketplace_price_history_default IS
    'Takes rows of months that have no partition, so that no write and no revision depends on today''s date.';
COMMENT ON COLUMN products.marketplace_price_history.currency_code IS 'ISO 4217, of all five prices.';
COMMENT ON COLUMN products.marketplace_price_history.source IS 'Who reported the prices.';
COMMENT ON COLUMN products.marketplace_price_history.price_type IS 'What the observation is about.';
COMMENT ON COLUMN products.marketplace_price_history.change_reason IS
    'For own price changes: auto_repricing, manual_update, clearance.';

GRANT SELECT, INSERT, UPDATE, DELETE ON products.marketplace_data TO catalog_app;
-- Append-only: nobody but the owner changes or removes history.
GRANT SELECT, INSERT ON products.marketplace_price_history TO catalog_app;
