-- 03_delivery_date_index.up.sql of "catalog: delivery date and purchase VAT"  phase: EXPAND
-- Why: deliveries by date; built while the table is written to.
CREATE INDEX CONCURRENTLY idx_inventory_delivery_date ON products.inventory (delivery_date);
