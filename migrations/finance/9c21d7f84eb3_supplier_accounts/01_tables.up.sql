-- 01_tables.up.sql of "Supplier accounts management"                                        phase: EXPAND
-- Why: goods are bought through many accounts per supplier. The original of this revision stored card numbers and
-- verification codes, encrypted. Storing the code is forbidden in any form: neither column is ever created here.
CREATE TABLE finance.supplier_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    supplier_id uuid NOT NULL REFERENCES core.suppliers (id) ON DELETE RESTRICT,
    email varchar(150) NOT NULL,
    password_encrypted text,
    proxy_config text,
    first_name varchar(100),
    last_name varchar(100),
    address_line_1 varchar(200),
    address_line_2 varchar(200),
    city varchar(100),
    zip_code varchar(20),
    state_code varchar(10),
    country_code varchar(5),
    phone_number varchar(50),
    expiry_month integer CHECK (expiry_month BETWEEN 1 AND 12),
    expiry_year integer CHECK (expiry_year >= 2000),
    list_name varchar(100),
    browser_preference varchar(50),
    account_status varchar(30) NOT NULL DEFAULT 'active' CHECK (account_status IN
        ('active', 'inactive', 'suspended', 'banned')),
    is_verified boolean NOT NULL DEFAULT false,
    last_used_at timestamptz,
    total_purchases integer NOT NULL DEFAULT 0 CHECK (total_purchases >= 0),
    total_spent numeric(12,2) NOT NULL DEFAULT 0.00 CHECK (total_spent <> 'NaN'),
    success_rate numeric(5,2) NOT NULL DEFAULT 0.00 CHECK (success_rate BETWEEN 0 AND 100),
    average_order_value numeric(10,2) NOT NULL DEFAULT 0.00 CHECK (average_order_value <> 'NaN'),
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_supplier_account_email UNIQUE (supplier_id, email)
);
CREATE INDEX supplier_accounts_supplier_id_idx ON finance.supplier_accounts (supplier_id);
CREATE INDEX supplier_accounts_email_idx ON finance.supplier_accounts (email);
CREATE INDEX supplier_accounts_account_status_idx ON finance.supplier_accounts (account_status);
CREATE INDEX supplier_accounts_last_used_at_idx ON finance.supplier_accounts (last_used_at);
COMMENT ON TABLE finance.supplier_accounts IS
    'Accounts used to buy at suppliers. Holds personal data. Full card numbers and verification codes are forbidden for ever.';
COMMENT ON COLUMN finance.supplier_accounts.email IS 'Login; unique per supplier.';
COMMENT ON COLUMN finance.supplier_accounts.password_encrypted IS 'Reversible authenticated encryption, not a hash. Never returned by any API.';
COMMENT ON COLUMN finance.supplier_accounts.proxy_config IS 'Sensitive; never returned by any API.';
COMMENT ON COLUMN finance.supplier_accounts.expiry_month IS 'Of the payment method.';
COMMENT ON COLUMN finance.supplier_accounts.expiry_year IS 'Of the payment method, four digits.';
COMMENT ON COLUMN finance.supplier_accounts.total_purchases IS 'Cached statistic, kept in the transaction of a purchase.';
COMMENT ON COLUMN finance.supplier_accounts.total_spent IS 'Cached statistic, EUR.';
COMMENT ON COLUMN finance.supplier_accounts.success_rate IS 'Cached statistic: successful / all purchases, percent.';
COMMENT ON COLUMN finance.supplier_accounts.average_order_value IS 'Cached statistic, EUR.';

CREATE TABLE finance.account_purchase_history (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES finance.supplier_accounts (id) ON DELETE CASCADE,
    supplier_id uuid NOT NULL REFERENCES core.suppliers (id) ON DELETE RESTRICT,
    product_id uuid REFERENCES products.products (id) ON DELETE SET NULL,
    order_reference varchar(100),
    purchase_amount numeric(12,2) NOT NULL CHECK (purchase_amount <> 'NaN'),
    purchase_date timestamptz NOT NULL,
    purchase_status varchar(30) NOT NULL CHECK (purchase_status IN ('pending', 'completed', 'failed', 'cancelled')),
    success boolean NOT NULL DEFAULT false,
    failure_reason text,
    response_time_ms integer CHECK (response_time_ms >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX account_purchase_history_account_id_idx ON finance.account_purchase_history (account_id);
CREATE INDEX account_purchase_history_supplier_id_idx ON finance.account_purchase_history (supplier_id);
CREATE INDEX account_purchase_history_purchase_date_idx ON finance.account_purchase_history (purchase_date);
CREATE INDEX account_purchase_history_purchase_status_idx ON finance.account_purchase_history (purchase_status);
COMMENT ON TABLE finance.account_purchase_history IS 'Purchases tried with an account.';
COMMENT ON COLUMN finance.account_purchase_history.order_reference IS 'Order number of the supplier.';
COMMENT ON COLUMN finance.account_purchase_history.purchase_amount IS 'EUR with VAT.';
COMMENT ON COLUMN finance.account_purchase_history.response_time_ms IS 'How long the supplier took to answer, milliseconds.';

GRANT SELECT, INSERT, UPDATE, DELETE ON finance.supplier_accounts, finance.account_purchase_history TO finance_app;
