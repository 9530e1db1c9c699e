-- 01_before_images.up.sql of "Legacy transactions become orders"                            phase: MIGRATE
-- Why: the data step also unifies status and external id of orders that have no legacy row and therefore no row in the
-- map. Their previous values are kept here, so that the step can be undone to the letter.
CREATE TABLE transactions.order_before_images (
    order_id uuid PRIMARY KEY REFERENCES transactions.orders (id) ON DELETE RESTRICT,
    before_image jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE transactions.order_before_images IS
    'Orders without a legacy row as they were before the data step of v2.2.2 unified their status and external id.';
COMMENT ON COLUMN transactions.order_before_images.created_at IS
    'Time of the data step; equals updated_at of an order that nobody changed since.';
GRANT SELECT ON transactions.order_before_images TO orders_app;
