-- 02_validate_checks.up.sql of "catalog: business intelligence fields"                      phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE products.inventory VALIDATE CONSTRAINT inventory_shelf_life_days_check;
ALTER TABLE products.inventory VALIDATE CONSTRAINT inventory_profit_per_shelf_day_check;
ALTER TABLE products.inventory VALIDATE CONSTRAINT inventory_roi_percentage_check;
ALTER TABLE products.inventory VALIDATE CONSTRAINT inventory_detailed_status_check;
ALTER TABLE core.suppliers VALIDATE CONSTRAINT suppliers_supplier_category_check;
ALTER TABLE core.suppliers VALIDATE CONSTRAINT suppliers_vat_rate_check;
