-- 03_supplier_performance.up.sql of "catalog: business intelligence fields"                 phase: EXPAND
-- Why: monthly figures per supplier, one row each: calculating a month again replaces it, never doubles it.
CREATE TABLE core.supplier_performance (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    supplier_id uuid NOT NULL REFERENCES core.suppliers (id) ON DELETE RESTRICT,
    month_year date NOT NULL CHECK (EXTRACT(day FROM month_year) = 1),
    total_orders integer NOT NULL DEFAULT 0 CHECK (total_orders >= 0),
    avg_delivery_time numeric(4,1) CHECK (avg_delivery_time <> 'NaN'),
    return_rate numeric(5,2) CHECK (return_rate BETWEEN 0 AND 100),
    avg_roi numeric(7,2) CHECK (avg_roi <> 'NaN'),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (supplier_id, month_year)
);
CREATE INDEX supplier_performance_month_year_idx ON core.supplier_performance (month_year);
CREATE INDEX supplier_performance_supplier_id_idx ON core.supplier_performance (supplier_id);
COMMENT ON TABLE core.supplier_performance IS 'Figures per supplier and month.';
COMMENT ON COLUMN core.supplier_performance.month_year IS 'First day of the month.';
COMMENT ON COLUMN core.supplier_performance.avg_delivery_time IS 'Mean of delivery date minus purchase date, days.';
COMMENT ON COLUMN core.supplier_performance.return_rate IS 'Items returned / items bought, percent.';
COMMENT ON COLUMN core.supplier_performance.avg_roi IS 'Mean ROI of the items sold, percent.';
GRANT SELECT, INSERT, UPDATE, DELETE ON core.supplier_performance TO catalog_app;
