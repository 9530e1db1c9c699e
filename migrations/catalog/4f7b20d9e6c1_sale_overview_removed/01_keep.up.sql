-- 01_keep.up.sql of "catalog: sale_overview removed"                                       phase: CONTRACT
-- Why: the text is redundant, as far as anybody knows; kept apart it costs nothing and can come back.
CREATE TABLE products.inventory_sale_overview (
    inventory_id uuid PRIMARY KEY REFERENCES products.inventory (id) ON DELETE CASCADE,
    sale_overview text NOT NULL
);
COMMENT ON TABLE products.inventory_sale_overview IS 'Texts of the column products.inventory.sale_overview, dropped by v2.2.3.';
INSERT INTO products.inventory_sale_overview (inventory_id, sale_overview)
SELECT id, sale_overview FROM products.inventory WHERE sale_overview IS NOT NULL;
