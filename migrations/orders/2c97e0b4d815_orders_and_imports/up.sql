-- up.sql of "orders: orders and imports"                                                    phase: EXPAND
-- Why: one row per sale of one item, StockX only in this version. The status has no CHECK yet: three spellings of
-- "completed" exist until the data step of v2.2.2 unifies them. A bad row of an import is kept with its reasons and
-- does not stop the others.
CREATE TABLE transactions.orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    inventory_item_id uuid NOT NULL REFERENCES products.inventory (id) ON DELETE RESTRICT,
    listing_id uuid REFERENCES products.listings (id) ON DELETE RESTRICT,
    stockx_order_number varchar(100) NOT NULL UNIQUE,
    status varchar(50) NOT NULL,
    amount numeric(10,2) CHECK (amount <> 'NaN'),
    currency_code varchar(10),
    inventory_type varchar(50),
    shipping_label_url varchar(512),
    shipping_document_path varchar(512),
    stockx_created_at timestamptz,
    last_stockx_updated_at timestamptz,
    raw_data jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_status_idx ON transactions.orders (status);
CREATE INDEX orders_inventory_item_id_idx ON transactions.orders (inventory_item_id);
CREATE INDEX orders_created_at_id_idx ON transactions.orders (created_at, id);
COMMENT ON TABLE transactions.orders IS 'One sale of one inventory item on one marketplace.';
COMMENT ON COLUMN transactions.orders.stockx_order_number IS 'Number as StockX writes it.';
COMMENT ON COLUMN transactions.orders.amount IS 'Order price as the platform reports it, in currency_code.';
COMMENT ON COLUMN transactions.orders.currency_code IS 'ISO 4217. Amounts of different currencies are never added.';
COMMENT ON COLUMN transactions.orders.inventory_type IS 'STANDARD, FLEX or DIRECT.';
COMMENT ON COLUMN transactions.orders.stockx_created_at IS 'Creation time on the platform, whichever platform it is.';
COMMENT ON COLUMN transactions.orders.last_stockx_updated_at IS
    'Last change on the platform, whichever it is; an older payload is not applied.';
COMMENT ON COLUMN transactions.orders.raw_data IS 'Payload of the source without personal data, plus keys that say where the row came from.';

CREATE TABLE transactions.platform_credentials (
    platform_id uuid NOT NULL REFERENCES core.platforms (id) ON DELETE RESTRICT,
    key varchar(100) NOT NULL,
    value_encrypted text NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (platform_id, key)
);
COMMENT ON TABLE transactions.platform_credentials IS 'Credentials that the marketplace adapters of orders use. No other service reads them.';
COMMENT ON COLUMN transactions.platform_credentials.value_encrypted IS
    'Authenticated encryption with a key from the environment. What cannot be decrypted is an error, never an empty text.';

CREATE TABLE transactions.import_batches (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source_type varchar(50) NOT NULL CHECK (source_type IN
        ('stockx', 'alias', 'goat', 'ebay', 'grailed', 'notion', 'sales', 'manual')),
    source_file varchar(255),
    total_records integer NOT NULL DEFAULT 0 CHECK (total_records >= 0),
    processed_records integer NOT NULL DEFAULT 0 CHECK (processed_records >= 0),
    error_records integer NOT NULL DEFAULT 0 CHECK (error_records >= 0),
    status varchar(50) NOT NULL DEFAULT 'pending' CHECK (status IN
        ('pending', 'processing', 'completed', 'failed', 'cancelled', 'retrying')),
    started_at timestamptz,
    completed_at timestamptz,
    retry_count integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    max_retries integer NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
    last_error varchar(1000),
    error_message varchar(1000),
    next_retry_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX import_batches_status_idx ON transactions.import_batches (status);
CREATE INDEX import_batches_created_at_id_idx ON transactions.import_batches (created_at, id);
COMMENT ON TABLE transactions.import_batches IS 'One import of a report or of a time range of a platform.';
COMMENT ON COLUMN transactions.import_batches.source_type IS 'Platform or kind of source.';
COMMENT ON COLUMN transactions.import_batches.source_file IS 'Name of the uploaded file; NULL when fetched from the platform.';
COMMENT ON COLUMN transactions.import_batches.processed_records IS 'Rows taken over, changed or not.';
COMMENT ON COLUMN transactions.import_batches.error_records IS 'Rows kept apart with their reasons in import_records.';
COMMENT ON COLUMN transactions.import_batches.last_error IS 'Why the last try failed.';
COMMENT ON COLUMN transactions.import_batches.error_message IS 'Why the batch ended as failed.';

CREATE TABLE transactions.import_records (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    batch_id uuid NOT NULL REFERENCES transactions.import_batches (id) ON DELETE RESTRICT,
    source_data jsonb NOT NULL,
    processed_data jsonb,
    validation_errors jsonb,
    status varchar(50) NOT NULL,
    processing_started_at timestamptz,
    processing_completed_at timestamptz,
    error_message varchar(1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX import_records_batch_id_status_idx ON transactions.import_records (batch_id, status);
COMMENT ON TABLE transactions.import_records IS 'Rows of an import that need a look: kept apart or flagged, with the reasons.';
COMMENT ON COLUMN transactions.import_records.source_data IS 'The row as it came, without personal data.';
COMMENT ON COLUMN transactions.import_records.validation_errors IS 'Reasons, one per field.';

GRANT SELECT, INSERT, UPDATE, DELETE
    ON transactions.orders, transactions.platform_credentials, transactions.import_batches, transactions.import_records
    TO orders_app;
-- Payments and reports of finance refer to orders.
GRANT USAGE ON SCHEMA transactions TO finance_owner, finance_app;
GRANT SELECT, REFERENCES ON transactions.orders TO finance_owner;
GRANT SELECT ON transactions.orders TO finance_app;
