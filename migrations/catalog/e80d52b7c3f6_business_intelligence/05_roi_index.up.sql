-- 05_roi_index.up.sql of "catalog: business intelligence fields"  phase: EXPAND
-- Why: best and worst ROI; built while the table is written to.
CREATE INDEX CONCURRENTLY inventory_roi_percentage_idx ON products.inventory (roi_percentage);
