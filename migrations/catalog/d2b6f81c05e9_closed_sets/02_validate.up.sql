-- 02_validate.up.sql of "catalog: inventory types of listings, meanings of columns"         phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE products.listings VALIDATE CONSTRAINT listings_inventory_type_check;
