-- 02_drop_column.up.sql of "catalog: sale_overview removed"                                phase: CONTRACT
-- Why: who found the column took it for the record of the sale, which is the order.
ALTER TABLE products.inventory DROP COLUMN sale_overview;
