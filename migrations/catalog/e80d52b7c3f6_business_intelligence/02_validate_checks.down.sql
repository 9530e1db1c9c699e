-- A constraint cannot be made unproven in place: it is replaced by the one that the step before left.
ALTER TABLE core.suppliers
    DROP CONSTRAINT suppliers_vat_rate_check,
    DROP CONSTRAINT suppliers_supplier_category_check,
    ADD CONSTRAINT suppliers_supplier_category_check CHECK (supplier_category IN
        ('sneaker_retailers', 'general_retail', 'luxury_fashion', 'direct_brands', 'specialty_stores')) NOT VALID,
    ADD CONSTRAINT suppliers_vat_rate_check CHECK (vat_rate BETWEEN 0 AND 100) NOT VALID;
ALTER TABLE products.inventory
    DROP CONSTRAINT inventory_detailed_status_check,
    DROP CONSTRAINT inventory_roi_percentage_check,
    DROP CONSTRAINT inventory_profit_per_shelf_day_check,
    DROP CONSTRAINT inventory_shelf_life_days_check,
    ADD CONSTRAINT inventory_shelf_life_days_check CHECK (shelf_life_days >= 0) NOT VALID,
    ADD CONSTRAINT inventory_profit_per_shelf_day_check CHECK (profit_per_shelf_day <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_roi_percentage_check CHECK (roi_percentage <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_detailed_status_check CHECK (detailed_status IN
        ('incoming', 'available', 'consigned', 'need_shipping', 'packed', 'outgoing', 'sale_completed', 'cancelled'))
        NOT VALID;
