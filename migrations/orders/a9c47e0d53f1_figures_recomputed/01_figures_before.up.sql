-- 01_figures_before.up.sql of "orders: profit, ROI and shelf life recomputed"              phase: MIGRATE
-- Why: the figures of the old system cannot be computed again; the undo puts them back to the letter.
CREATE TABLE transactions.order_figures_before (
    order_id uuid PRIMARY KEY REFERENCES transactions.orders (id) ON DELETE CASCADE,
    gross_profit numeric(10,2),
    net_profit numeric(10,2),
    roi numeric(9,2),
    shelf_life_days integer,
    updated_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE transactions.order_figures_before IS 'Figures of orders as they were before v2.2.3 recomputed them.';
COMMENT ON COLUMN transactions.order_figures_before.created_at IS
    'Time of the recomputation; equals updated_at of an order that nobody changed since.';
GRANT SELECT ON transactions.order_figures_before TO orders_app;
