-- 04_shelf_life_index.up.sql of "catalog: business intelligence fields"  phase: EXPAND
-- Why: shelf life distribution; built while the table is written to.
CREATE INDEX CONCURRENTLY inventory_shelf_life_days_idx ON products.inventory (shelf_life_days);
