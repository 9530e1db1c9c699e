-- 06_legacy_order_map.up.sql of "Multi-platform orders"                                        phase: EXPAND
-- Why: without a record of which legacy row became which order neither the data step nor the later switch of foreign
-- keys can be checked or undone. It outlives the legacy table, hence no foreign key to it.
CREATE TABLE transactions.legacy_order_map (
    legacy_transaction_id uuid PRIMARY KEY,
    order_id uuid NOT NULL UNIQUE REFERENCES transactions.orders (id) ON DELETE RESTRICT,
    match_kind varchar(20) NOT NULL CHECK (match_kind IN ('migrated', 'duplicate')),
    matched_on varchar(200),
    before_image jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT legacy_order_map_before_image_check CHECK (match_kind = 'migrated' OR before_image IS NOT NULL)
);
COMMENT ON TABLE transactions.legacy_order_map IS 'One row per legacy transaction: the order that stands for it now.';
COMMENT ON COLUMN transactions.legacy_order_map.match_kind IS
    'migrated: the order was made from the legacy row. duplicate: the order existed and was completed from it.';
COMMENT ON COLUMN transactions.legacy_order_map.matched_on IS 'Platform and number on which both were found equal.';
COMMENT ON COLUMN transactions.legacy_order_map.before_image IS 'The kept order as it was before the data step; undoing it restores these values.';
COMMENT ON COLUMN transactions.legacy_order_map.created_at IS 'Time of the data step; equals updated_at of a kept order that nobody changed since.';
GRANT SELECT, INSERT, UPDATE, DELETE ON transactions.legacy_order_map TO orders_app;
