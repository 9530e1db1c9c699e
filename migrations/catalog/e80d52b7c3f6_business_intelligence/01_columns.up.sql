-- 01_columns.up.sql of "catalog: business intelligence fields"                              phase: EXPAND
-- Why: reports need shelf life, profit per shelf day and where a unit is. The listed_* flags are never NULL: a filter
-- on NULL silently loses rows. Checks start NOT VALID, the next step proves the old rows while the tables stay open.
ALTER TABLE products.inventory
    ADD COLUMN shelf_life_days integer,
    ADD COLUMN profit_per_shelf_day numeric(10,2),
    ADD COLUMN roi_percentage numeric(7,2),
    ADD COLUMN sale_overview text,
    ADD COLUMN location varchar(50),
    ADD COLUMN listed_stockx boolean NOT NULL DEFAULT false,
    ADD COLUMN listed_alias boolean NOT NULL DEFAULT false,
    ADD COLUMN listed_local boolean NOT NULL DEFAULT false,
    ADD COLUMN detailed_status varchar(30);

ALTER TABLE products.inventory
    ADD CONSTRAINT inventory_shelf_life_days_check CHECK (shelf_life_days >= 0) NOT VALID,
    ADD CONSTRAINT inventory_profit_per_shelf_day_check CHECK (profit_per_shelf_day <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_roi_percentage_check CHECK (roi_percentage <> 'NaN') NOT VALID,
    ADD CONSTRAINT inventory_detailed_status_check CHECK (detailed_status IN
        ('incoming', 'available', 'consigned', 'need_shipping', 'packed', 'outgoing', 'sale_completed', 'cancelled'))
        NOT VALID;

COMMENT ON COLUMN products.inventory.shelf_life_days IS
    'Days from purchase to sale (UTC), frozen at the sale. NULL while unsold: the age of stock is computed on read.';
COMMENT ON COLUMN products.inventory.profit_per_shelf_day IS 'Net profit / shelf_life_days, EUR per day. NULL at 0 days.';
COMMENT ON COLUMN products.inventory.roi_percentage IS 'Net profit / net purchase price in percent. NULL without a price.';
COMMENT ON COLUMN products.inventory.sale_overview IS 'Redundant text kept from the old system; goes with v2.2.3. Nothing writes it.';
COMMENT ON COLUMN products.inventory.location IS 'Where the unit is: Local, Alias, Reshipper, StockX.';
COMMENT ON COLUMN products.inventory.listed_stockx IS 'Offered on StockX now.';
COMMENT ON COLUMN products.inventory.listed_alias IS 'Offered on Alias now.';
COMMENT ON COLUMN products.inventory.listed_local IS 'Offered locally now.';
COMMENT ON COLUMN products.inventory.detailed_status IS 'Status of the item in the purchase list, finer than status.';

ALTER TABLE core.suppliers
    ADD COLUMN supplier_category varchar(50),
    ADD COLUMN vat_rate numeric(5,2),
    ADD COLUMN return_policy text,
    ADD COLUMN default_email varchar(255);

ALTER TABLE core.suppliers
    ADD CONSTRAINT suppliers_supplier_category_check CHECK (supplier_category IN
        ('sneaker_retailers', 'general_retail', 'luxury_fashion', 'direct_brands', 'specialty_stores')) NOT VALID,
    ADD CONSTRAINT suppliers_vat_rate_check CHECK (vat_rate BETWEEN 0 AND 100) NOT VALID;

COMMENT ON COLUMN core.suppliers.supplier_category IS 'Group of the supplier in reports.';
COMMENT ON COLUMN core.suppliers.vat_rate IS 'Usual VAT rate of purchases in percent (19.00 = 19 %). NULL: unknown.';
COMMENT ON COLUMN core.suppliers.return_policy IS 'Conditions of returns in words.';
COMMENT ON COLUMN core.suppliers.default_email IS 'Mailbox that orders at this supplier use.';
