-- 06_location_index.up.sql of "catalog: business intelligence fields"  phase: EXPAND
-- Why: stock by location; built while the table is written to.
CREATE INDEX CONCURRENTLY inventory_location_idx ON products.inventory (location);
