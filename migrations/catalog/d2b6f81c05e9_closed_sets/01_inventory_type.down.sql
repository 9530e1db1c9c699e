ALTER TABLE products.listings DROP CONSTRAINT listings_inventory_type_check;
COMMENT ON COLUMN products.listings.inventory_type IS 'STANDARD, FLEX or DIRECT.';
