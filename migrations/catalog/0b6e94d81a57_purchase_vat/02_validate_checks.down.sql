-- A constraint cannot be made unproven in place: it is replaced by the one that the step before left.
ALTER TABLE products.inventory
    DROP CONSTRAINT inventory_vat_rate_check,
    DROP CONSTRAINT inventory_vat_amount_check,
    DROP CONSTRAINT inventory_gross_purchase_price_check,
    ADD CONSTRAINT inventory_gross_purchase_price_check
        CHECK (gross_purchase_price >= purchase_price AND gross_purchase_price <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_vat_amount_check CHECK (vat_amount <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_vat_rate_check CHECK (vat_rate BETWEEN 0 AND 100) NOT VALID;
