-- 01_columns.up.sql of "catalog: delivery date and purchase VAT"                            phase: EXPAND
-- Why: VAT on purchases is reclaimable and has to be known per item. The default rate is set after the column was
-- added: old rows keep NULL instead of a rate that nobody verified.
ALTER TABLE products.inventory
    ADD COLUMN delivery_date timestamptz,
    ADD COLUMN gross_purchase_price numeric(10,2),
    ADD COLUMN vat_amount numeric(10,2),
    ADD COLUMN vat_rate numeric(5,2);
ALTER TABLE products.inventory ALTER COLUMN vat_rate SET DEFAULT 19.00;

ALTER TABLE products.inventory
    ADD CONSTRAINT inventory_gross_purchase_price_check
        CHECK (gross_purchase_price >= purchase_price AND gross_purchase_price <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_vat_amount_check CHECK (vat_amount <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_vat_rate_check CHECK (vat_rate BETWEEN 0 AND 100) NOT VALID;

COMMENT ON COLUMN products.inventory.delivery_date IS 'When the unit arrived. May lie before purchase_date in imported data.';
COMMENT ON COLUMN products.inventory.gross_purchase_price IS 'Purchase price with VAT, EUR. purchase_price is the net one.';
COMMENT ON COLUMN products.inventory.vat_amount IS 'gross_purchase_price minus purchase_price. NULL: not verified.';
COMMENT ON COLUMN products.inventory.vat_rate IS
    'VAT rate of the purchase in percent. A rate without vat_amount is the default, not a fact.';
