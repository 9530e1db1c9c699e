CREATE TABLE transactions.transactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    inventory_id uuid NOT NULL REFERENCES products.inventory (id) ON DELETE RESTRICT,
    platform_id uuid NOT NULL REFERENCES core.platforms (id) ON DELETE RESTRICT,
    transaction_date timestamptz NOT NULL,
    sale_price numeric(10,2) NOT NULL CHECK (sale_price <> 'NaN'),
    platform_fee numeric(10,2) NOT NULL CHECK (platform_fee <> 'NaN'),
    shipping_cost numeric(10,2) NOT NULL DEFAULT 0 CHECK (shipping_cost <> 'NaN'),
    net_profit numeric(10,2) NOT NULL CHECK (net_profit <> 'NaN'),
    status varchar(50) NOT NULL DEFAULT 'pending' CHECK (status IN
        ('pending', 'completed', 'cancelled', 'refunded', 'disputed')),
    external_id varchar(100),
    buyer_destination_country varchar(100),
    buyer_destination_city varchar(100),
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO transactions.transactions (
    id, inventory_id, platform_id, transaction_date, sale_price, platform_fee, shipping_cost, net_profit, status,
    external_id, buyer_destination_country, buyer_destination_city, notes, created_at, updated_at)
SELECT
    id, inventory_id, platform_id, transaction_date, sale_price, platform_fee, shipping_cost, net_profit, status,
    external_id, buyer_destination_country, buyer_destination_city, notes, created_at, updated_at
FROM transactions.legacy_transactions_archive;
CREATE INDEX transactions_transaction_date_idx ON transactions.transactions (transaction_date);
CREATE INDEX transactions_transaction_date_status_idx ON transactions.transactions (transaction_date, status);
CREATE INDEX transactions_transaction_date_platform_id_idx ON transactions.transactions (transaction_date DESC, platform_id);
CREATE INDEX transactions_inventory_id_idx ON transactions.transactions (inventory_id);
CREATE INDEX transactions_external_id_idx ON transactions.transactions USING gin (external_id public.gin_trgm_ops);
COMMENT ON TABLE transactions.transactions IS 'Deprecated: one row per sale of the old system. Replaced by transactions.orders.';
COMMENT ON COLUMN transactions.transactions.transaction_date IS 'Time of the sale.';
COMMENT ON COLUMN transactions.transactions.sale_price IS 'Listing price before fees, EUR.';
COMMENT ON COLUMN transactions.transactions.platform_fee IS 'Commission only, EUR; payment processing was never stored.';
COMMENT ON COLUMN transactions.transactions.net_profit IS 'Not a profit: 0.00 or the payout, EUR.';
COMMENT ON COLUMN transactions.transactions.external_id IS '"<slug>_" and the order number of the platform; nothing made it unique.';

GRANT SELECT ON transactions.transactions TO orders_app;
GRANT SELECT, REFERENCES ON transactions.transactions TO finance_owner;
GRANT SELECT ON transactions.transactions TO finance_app;
