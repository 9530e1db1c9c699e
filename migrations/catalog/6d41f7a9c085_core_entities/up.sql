-- up.sql of "catalog: platforms, suppliers, configuration, users"                           phase: EXPAND
-- Why: every other table of the suite refers to one of these. Users hold identity only: secrets, tokens and roles live
-- in schema auth. No user is created here: an administrator with a published password is a door left open.
CREATE TABLE core.platforms (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(100) NOT NULL UNIQUE,
    slug varchar(100) NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9-]+$'),
    fee_percentage numeric(5,2) CHECK (fee_percentage BETWEEN 0 AND 100),
    supports_fees boolean NOT NULL DEFAULT true,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE core.platforms IS 'Marketplaces on which items are sold, and their configuration.';
COMMENT ON COLUMN core.platforms.slug IS 'Lower-case key; part of resource names and of external order ids (<slug>_<platform order id>).';
COMMENT ON COLUMN core.platforms.fee_percentage IS
    'Default total fee in percent (9.50 = 9.5 %). Not a fraction: products.marketplace_data.fees_percentage is one.';
COMMENT ON COLUMN core.platforms.supports_fees IS 'False when the source never reports fees.';
COMMENT ON COLUMN core.platforms.active IS 'False: kept for history, no new sales.';

INSERT INTO core.platforms (name, slug, fee_percentage, supports_fees) VALUES
    ('StockX', 'stockx', 9.50, true),
    ('eBay', 'ebay', 10.00, true),
    ('GOAT', 'goat', 9.50, true),
    ('Alias', 'alias', 0.00, false),
    ('Grailed', 'grailed', 9.00, true);

CREATE TABLE core.suppliers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(100) NOT NULL,
    slug varchar(100) NOT NULL UNIQUE,
    display_name varchar(150),
    supplier_type varchar(50) NOT NULL CHECK (supplier_type IN
        ('retail', 'online', 'retailer', 'wholesaler', 'manufacturer', 'individual', 'consignment', 'dropshipper')),
    status varchar(20) NOT NULL DEFAULT 'active' CHECK (status IN
        ('active', 'inactive', 'suspended', 'pending_approval', 'closed')),
    email varchar(100),
    phone varchar(50),
    website varchar(200),
    city varchar(100),
    country varchar(50) DEFAULT 'Germany',
    vat_number varchar(50),
    return_policy_days integer CHECK (return_policy_days >= 0),
    payment_terms varchar(100),
    minimum_order_amount numeric(10,2) CHECK (minimum_order_amount <> 'NaN'),
    rating numeric(3,2) CHECK (rating BETWEEN 0 AND 5),
    preferred boolean NOT NULL DEFAULT false,
    verified boolean NOT NULL DEFAULT false,
    average_processing_days integer CHECK (average_processing_days >= 0),
    total_orders_count integer DEFAULT 0 CHECK (total_orders_count >= 0),
    total_order_value numeric(12,2) DEFAULT 0 CHECK (total_order_value <> 'NaN'),
    average_order_value numeric(10,2) CHECK (average_order_value <> 'NaN'),
    last_order_date timestamptz,
    notes text,
    tags jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX suppliers_name_key ON core.suppliers (lower(name));
COMMENT ON TABLE core.suppliers IS 'Where goods are bought: brand shops, sneaker stores, general retail, outlets, people.';
COMMENT ON COLUMN core.suppliers.name IS 'Unique without regard to case.';
COMMENT ON COLUMN core.suppliers.slug IS 'From the name: lower case, "&" becomes "and", "?" goes, blanks become "-".';
COMMENT ON COLUMN core.suppliers.return_policy_days IS 'Days in which goods may be sent back.';
COMMENT ON COLUMN core.suppliers.minimum_order_amount IS 'Smallest order the supplier accepts, EUR.';
COMMENT ON COLUMN core.suppliers.rating IS '0 to 5.';
COMMENT ON COLUMN core.suppliers.average_processing_days IS 'Days from order to dispatch.';
COMMENT ON COLUMN core.suppliers.total_orders_count IS 'Cached statistic.';
COMMENT ON COLUMN core.suppliers.total_order_value IS 'Cached statistic, EUR.';
COMMENT ON COLUMN core.suppliers.average_order_value IS 'Cached statistic, EUR. NULL without orders.';
COMMENT ON COLUMN core.suppliers.last_order_date IS 'Cached statistic.';

CREATE TABLE core.system_config (
    key varchar(100) PRIMARY KEY,
    value_encrypted text NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE core.system_config IS 'Secrets of the system, one per key.';
COMMENT ON COLUMN core.system_config.value_encrypted IS
    'Authenticated encryption with a key from the environment. What cannot be decrypted is an error, never an empty text.';

CREATE TABLE core.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email varchar(255) NOT NULL,
    username varchar(100) NOT NULL UNIQUE CHECK (char_length(username) >= 3),
    is_active boolean NOT NULL DEFAULT true,
    last_login timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email_key ON core.users (lower(email));
CREATE INDEX users_is_active_idx ON core.users (is_active);
COMMENT ON TABLE core.users IS 'Identity of people. No secret material: passwords, tokens and roles are in schema auth.';
COMMENT ON COLUMN core.users.email IS 'Unique without regard to case.';
COMMENT ON COLUMN core.users.is_active IS 'False: may not log in.';

GRANT SELECT, INSERT, UPDATE, DELETE ON core.platforms, core.suppliers, core.system_config, core.users TO catalog_app;

GRANT USAGE ON SCHEMA core TO orders_owner, orders_app, finance_owner, finance_app, migration_owner;
GRANT SELECT, REFERENCES ON core.platforms TO orders_owner, finance_owner;
GRANT SELECT, REFERENCES ON core.suppliers TO finance_owner;
GRANT SELECT ON core.platforms TO orders_app, finance_app;
GRANT SELECT ON core.suppliers TO finance_app;
GRANT REFERENCES ON core.users TO migration_owner;
