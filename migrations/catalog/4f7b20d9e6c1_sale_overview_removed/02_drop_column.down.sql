ALTER TABLE products.inventory ADD COLUMN sale_overview text;
COMMENT ON COLUMN products.inventory.sale_overview IS 'Redundant text kept from the old system; goes with v2.2.3. Nothing writes it.';
UPDATE products.inventory AS i
SET sale_overview = k.sale_overview
FROM products.inventory_sale_overview AS k
WHERE k.inventory_id = i.id;
