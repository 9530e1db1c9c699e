-- up.sql of "catalog: brands, categories, sizes, products"                                  phase: EXPAND
-- Why: what is bought and sold. The columns that earlier came from ad-hoc scripts (segment, price tier) are part of the
-- table from the start, so that the brand views can be built from the chain alone.
CREATE TABLE products.brands (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(100) NOT NULL UNIQUE,
    slug varchar(100) NOT NULL UNIQUE,
    segment varchar(50),
    price_tier varchar(50),
    target_demographic varchar(50),
    is_collaboration boolean NOT NULL DEFAULT false,
    parent_brand_id uuid REFERENCES products.brands (id) ON DELETE RESTRICT,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX brands_parent_brand_id_idx ON products.brands (parent_brand_id);
COMMENT ON TABLE products.brands IS 'Brands of products.';
COMMENT ON COLUMN products.brands.segment IS 'Market segment, read by analytics.brand_market_position.';
COMMENT ON COLUMN products.brands.price_tier IS 'Price tier, read by analytics.brand_market_position.';
COMMENT ON COLUMN products.brands.target_demographic IS 'Whom the brand addresses, read by analytics.brand_market_position.';
COMMENT ON COLUMN products.brands.is_collaboration IS 'A joint line of two brands, read by analytics.brand_collaboration_performance.';
COMMENT ON COLUMN products.brands.parent_brand_id IS 'Brand that this one belongs to.';

CREATE TABLE products.brand_patterns (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    brand_id uuid NOT NULL REFERENCES products.brands (id) ON DELETE CASCADE,
    pattern_type varchar(50) NOT NULL DEFAULT 'regex' CHECK (pattern_type IN ('regex', 'keyword')),
    pattern varchar(255) NOT NULL UNIQUE,
    priority integer NOT NULL DEFAULT 100,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX brand_patterns_brand_id_idx ON products.brand_patterns (brand_id);
COMMENT ON TABLE products.brand_patterns IS
    'How a brand is derived from a product name: the first match by (priority, created_at) wins, case is ignored.';
COMMENT ON COLUMN products.brand_patterns.pattern IS 'Regular expression or keyword; one that cannot be read is skipped with a warning.';
COMMENT ON COLUMN products.brand_patterns.priority IS 'Lower comes first.';

CREATE TABLE products.categories (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(100) NOT NULL,
    slug varchar(100) NOT NULL UNIQUE,
    parent_id uuid REFERENCES products.categories (id) ON DELETE RESTRICT,
    path varchar(500),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX categories_parent_id_idx ON products.categories (parent_id);
COMMENT ON TABLE products.categories IS 'Tree of product categories. Importers use Footwear and Sneakers.';
COMMENT ON COLUMN products.categories.path IS 'Names from the root, separated by "/".';

CREATE TABLE products.sizes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    category_id uuid REFERENCES products.categories (id) ON DELETE RESTRICT,
    value varchar(20) NOT NULL,
    standardized_value numeric(4,1) CHECK (standardized_value <> 'NaN'),
    region varchar(10) NOT NULL CHECK (region IN ('US', 'UK', 'EU', 'JP', 'KR', 'CM', 'UNKNOWN')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (category_id, region, value)
);
COMMENT ON TABLE products.sizes IS
    'Sizes by category and region: US 42 and EU 42 are two rows. Special values: "Unknown" and "One Size".';
COMMENT ON COLUMN products.sizes.category_id IS 'NULL: the size fits any category. Two such rows with equal region and value are refused.';
COMMENT ON COLUMN products.sizes.standardized_value IS 'The size as a number when it can be read as one.';

CREATE TABLE products.products (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sku varchar(100) NOT NULL UNIQUE
        CHECK (btrim(sku) <> '' AND lower(btrim(sku)) NOT IN ('nan', 'none', 'null', 'n/a')),
    brand_id uuid REFERENCES products.brands (id) ON DELETE RESTRICT,
    category_id uuid NOT NULL REFERENCES products.categories (id) ON DELETE RESTRICT,
    name varchar(255) NOT NULL,
    description text,
    retail_price numeric(10,2) CHECK (retail_price <> 'NaN'),
    avg_resale_price numeric(10,2) CHECK (avg_resale_price <> 'NaN'),
    release_date timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX products_brand_id_idx ON products.products (brand_id);
CREATE INDEX products_category_id_idx ON products.products (category_id);
CREATE INDEX products_name_idx ON products.products USING gin (name public.gin_trgm_ops);
COMMENT ON TABLE products.products IS 'Products in the sense of a style: one row for all sizes.';
COMMENT ON COLUMN products.products.sku IS
    'Style code of the manufacturer; without one "pid-" + first 8 of the marketplace product id, "stockx-" + first 8 of '
    'the listing id, or "stockx-item-" + first 12 hex digits of SHA-256 of the item name.';
COMMENT ON COLUMN products.products.brand_id IS 'NULL when no pattern matches the name.';
COMMENT ON COLUMN products.products.retail_price IS 'Price of the brand at release, EUR.';
COMMENT ON COLUMN products.products.avg_resale_price IS 'Mean price on the marketplaces, EUR.';

GRANT SELECT, INSERT, UPDATE, DELETE
    ON products.brands, products.brand_patterns, products.categories, products.sizes, products.products TO catalog_app;

-- Reporting joins sales to products and brands; purchase history of supplier accounts refers to products.
GRANT USAGE ON SCHEMA products TO orders_owner, orders_app, finance_owner, finance_app;
GRANT SELECT ON products.brands, products.categories, products.sizes TO finance_owner, finance_app;
GRANT SELECT, REFERENCES ON products.products TO finance_owner;
GRANT SELECT ON products.products TO finance_app;
