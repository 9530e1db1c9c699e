-- 02_validate_checks.up.sql of "catalog: delivery date and purchase VAT"                    phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE products.inventory VALIDATE CONSTRAINT inventory_gross_purchase_price_check;
ALTER TABLE products.inventory VALIDATE CONSTRAINT inventory_vat_amount_check;
ALTER TABLE products.inventory VALIDATE CONSTRAINT inventory_vat_rate_check;
