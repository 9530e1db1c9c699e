-- 01_inventory_type.up.sql of "catalog: inventory types of listings, meanings of columns"   phase: EXPAND
-- Why: enumerations are text with a CHECK, and this one had none. The four values are those that StockX documents; orders
-- takes the same.
ALTER TABLE products.listings
    ADD CONSTRAINT listings_inventory_type_check CHECK (inventory_type IN ('STANDARD', 'FLEX', 'DFS', 'DIRECT')) NOT VALID;
COMMENT ON COLUMN products.listings.inventory_type IS
    'STANDARD, FLEX, DFS or DIRECT, as StockX names it. NULL: unknown, or another platform.';
