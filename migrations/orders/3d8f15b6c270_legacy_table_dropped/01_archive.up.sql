-- 01_archive.up.sql of "orders: legacy table dropped"                                     phase: CONTRACT
-- Why: what the old system recorded is evidence for its years, and what the undo makes the table of again.
CREATE TABLE transactions.legacy_transactions_archive (
    id uuid PRIMARY KEY,
    inventory_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    transaction_date timestamptz NOT NULL,
    sale_price numeric(10,2) NOT NULL,
    platform_fee numeric(10,2) NOT NULL,
    shipping_cost numeric(10,2) NOT NULL,
    net_profit numeric(10,2) NOT NULL,
    status varchar(50) NOT NULL,
    external_id varchar(100),
    buyer_destination_country varchar(100),
    buyer_destination_city varchar(100),
    notes text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE transactions.legacy_transactions_archive IS
    'Rows of transactions.transactions as they were when v2.2.3 dropped it. Nothing reads them.';
INSERT INTO transactions.legacy_transactions_archive (
    id, inventory_id, platform_id, transaction_date, sale_price, platform_fee, shipping_cost, net_profit, status,
    external_id, buyer_destination_country, buyer_destination_city, notes, created_at, updated_at)
SELECT
    id, inventory_id, platform_id, transaction_date, sale_price, platform_fee, shipping_cost, net_profit, status,
    external_id, buyer_destination_country, buyer_destination_city, notes, created_at, updated_at
FROM transactions.transactions;
