-- up.sql of "catalog: inventory and listings"                                               phase: EXPAND
-- Why: one row per physical purchase, and what is offered where. purchase_price is net of VAT from the start; nothing
-- divides by the VAT rate again. There is no trigger: the service computes what is derived.
CREATE TABLE products.inventory (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    product_id uuid NOT NULL REFERENCES products.products (id) ON DELETE RESTRICT,
    size_id uuid NOT NULL REFERENCES products.sizes (id) ON DELETE RESTRICT,
    supplier_id uuid REFERENCES core.suppliers (id) ON DELETE RESTRICT,
    quantity integer NOT NULL DEFAULT 1 CHECK (quantity >= 0),
    purchase_price numeric(10,2) CHECK (purchase_price > 0 AND purchase_price <> 'NaN'),
    purchase_date timestamptz,
    supplier varchar(100),
    status varchar(50) NOT NULL DEFAULT 'in_stock' CHECK (status IN
        ('in_stock', 'listed_stockx', 'listed_alias', 'listed_ebay', 'listed_goat', 'listed_grailed', 'reserved',
         'presale', 'preorder', 'sold', 'cancelled', 'error')),
    notes text,
    external_ids jsonb DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inventory_status_idx ON products.inventory (status);
CREATE INDEX inventory_product_id_idx ON products.inventory (product_id);
CREATE INDEX inventory_created_at_idx ON products.inventory (created_at);
CREATE INDEX inventory_status_created_at_idx ON products.inventory (status, created_at);
CREATE INDEX inventory_status_updated_at_idx ON products.inventory (status, updated_at DESC);
CREATE INDEX inventory_external_ids_idx ON products.inventory USING gin (external_ids);
COMMENT ON TABLE products.inventory IS 'Items: one row per physical purchase, quantity practically always 1.';
COMMENT ON COLUMN products.inventory.purchase_price IS 'NET purchase price (without VAT), EUR. NULL: unknown, never read as 0.';
COMMENT ON COLUMN products.inventory.supplier IS 'Supplier name as free text from imports; supplier_id is the resolved one.';
COMMENT ON COLUMN products.inventory.status IS 'Where the item stands in the sale.';
COMMENT ON COLUMN products.inventory.external_ids IS
    'Keys: stockx_listing_id, stockx_product_id, stockx_variant_id, stockx_ask_id, stockx_order_number, supplier_order, '
    'supplier_invoice, notion_page_url, currency_code, listing_status, sync_timestamp, created_from_sync, is_placeholder.';

CREATE TABLE products.listings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    inventory_item_id uuid NOT NULL REFERENCES products.inventory (id) ON DELETE RESTRICT,
    platform_id uuid NOT NULL REFERENCES core.platforms (id) ON DELETE RESTRICT,
    external_listing_id varchar(255) NOT NULL,
    status varchar(50) NOT NULL CHECK (status IN ('active', 'inactive', 'sold', 'expired', 'cancelled')),
    amount numeric(10,2) CHECK (amount <> 'NaN'),
    currency_code char(3),
    inventory_type varchar(50),
    expires_at timestamptz,
    last_price_update timestamptz,
    raw_data jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (platform_id, external_listing_id)
);
CREATE INDEX listings_inventory_item_id_idx ON products.listings (inventory_item_id);
CREATE INDEX listings_platform_id_status_idx ON products.listings (platform_id, status);
COMMENT ON TABLE products.listings IS 'Live and ended offers of items on marketplaces.';
COMMENT ON COLUMN products.listings.amount IS 'Current ask in currency_code. Never a purchase price.';
COMMENT ON COLUMN products.listings.inventory_type IS 'STANDARD, FLEX or DIRECT.';
COMMENT ON COLUMN products.listings.last_price_update IS 'When the ask was last changed; read by repricing.';
COMMENT ON COLUMN products.listings.raw_data IS 'Payload of the platform without personal data.';

-- Which order holds which unit: the memory that makes reserve, release, sold and the resolution of imported sales safe to
-- repeat. An order is known by its id, by platform and external id, or by both.
CREATE TABLE products.item_orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    inventory_item_id uuid NOT NULL REFERENCES products.inventory (id) ON DELETE RESTRICT,
    platform_id uuid REFERENCES core.platforms (id) ON DELETE RESTRICT,
    external_order_id varchar(200),
    order_id uuid UNIQUE,
    status varchar(20) NOT NULL CHECK (status IN ('reserved', 'sold')),
    sold_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (platform_id, external_order_id),
    CONSTRAINT item_orders_platform_id_external_order_id_check
        CHECK ((platform_id IS NULL) = (external_order_id IS NULL)),
    CONSTRAINT item_orders_order_id_external_order_id_check
        CHECK (order_id IS NOT NULL OR external_order_id IS NOT NULL)
);
CREATE INDEX item_orders_inventory_item_id_idx ON products.item_orders (inventory_item_id);
COMMENT ON TABLE products.item_orders IS
    'Units of items that orders hold, one row each; written under the lock of the item. Sales before this table have none.';
COMMENT ON COLUMN products.item_orders.external_order_id IS 'external_id of the order (<slug>_<platform order id>).';
COMMENT ON COLUMN products.item_orders.order_id IS 'Order in the orders service. NULL until it is known.';
COMMENT ON COLUMN products.item_orders.sold_at IS 'When the sale was agreed. NULL for a reservation.';

-- Imports look for free items by product and size, and for the item that carries an order number or a listing id.
CREATE INDEX inventory_available_idx ON products.inventory (product_id, size_id, purchase_date, created_at, id)
    WHERE status IN ('in_stock', 'listed_stockx', 'listed_alias', 'listed_ebay', 'listed_goat', 'listed_grailed');
CREATE INDEX inventory_stockx_order_number_idx ON products.inventory ((external_ids ->> 'stockx_order_number'))
    WHERE external_ids ? 'stockx_order_number';
CREATE INDEX inventory_stockx_listing_id_idx ON products.inventory ((external_ids ->> 'stockx_listing_id'))
    WHERE external_ids ? 'stockx_listing_id';

CREATE VIEW products.item_summaries AS
SELECT
    i.id AS inventory_item_id,
    p.sku,
    p.id AS product_id,
    p.name AS product_name,
    b.name AS brand_name,
    s.value AS size_value,
    s.region AS size_region
FROM products.inventory AS i
JOIN products.products AS p ON p.id = i.product_id
JOIN products.sizes AS s ON s.id = i.size_id
LEFT JOIN products.brands AS b ON b.id = p.brand_id;
COMMENT ON VIEW products.item_summaries IS
    'What other services may know of an item, for filters and grouping. brand_name is NULL for a product without brand.';

GRANT SELECT, INSERT, UPDATE, DELETE ON products.inventory, products.listings, products.item_orders TO catalog_app;
GRANT SELECT ON products.item_summaries TO catalog_app, orders_owner, orders_app, finance_owner, finance_app;
GRANT SELECT, REFERENCES ON products.inventory, products.listings TO orders_owner;
-- Orders compares its sales with the units that they hold.
GRANT SELECT ON products.inventory, products.listings, products.item_orders TO orders_app;
GRANT SELECT ON products.inventory TO finance_owner, finance_app;
