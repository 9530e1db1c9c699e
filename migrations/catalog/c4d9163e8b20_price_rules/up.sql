-- up.sql of "catalog: price rules"                                                          phase: EXPAND
-- Why: prices follow rules that people keep: a markup by brand, category or platform, valid for a time.
CREATE TABLE products.price_rules (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(100) NOT NULL,
    rule_type varchar(50) NOT NULL CHECK (rule_type IN ('cost_plus', 'market_based', 'competitive')),
    priority integer NOT NULL DEFAULT 100,
    active boolean NOT NULL DEFAULT true,
    brand_id uuid REFERENCES products.brands (id) ON DELETE RESTRICT,
    category_id uuid REFERENCES products.categories (id) ON DELETE RESTRICT,
    platform_id uuid REFERENCES core.platforms (id) ON DELETE RESTRICT,
    base_markup_percent numeric(5,2) CHECK (base_markup_percent <> 'NaN'),
    minimum_margin_percent numeric(5,2) CHECK (minimum_margin_percent <> 'NaN' AND minimum_margin_percent < 100),
    maximum_discount_percent numeric(5,2) CHECK (maximum_discount_percent BETWEEN 0 AND 100),
    condition_multipliers jsonb,
    seasonal_adjustments jsonb,
    effective_from timestamptz NOT NULL,
    effective_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX price_rules_brand_id_active_idx ON products.price_rules (brand_id, active);
CREATE INDEX price_rules_effective_from_effective_until_idx ON products.price_rules (effective_from, effective_until);
COMMENT ON TABLE products.price_rules IS 'Pricing rules; the one with the lowest priority number that applies wins.';
COMMENT ON COLUMN products.price_rules.brand_id IS 'Scope; NULL = any brand.';
COMMENT ON COLUMN products.price_rules.category_id IS 'Scope; NULL = any category.';
COMMENT ON COLUMN products.price_rules.platform_id IS 'Scope; NULL = any platform.';
COMMENT ON COLUMN products.price_rules.minimum_margin_percent IS 'Margin m of the lowest price cost / (1 - m/100); 100 and more is impossible.';
COMMENT ON COLUMN products.price_rules.condition_multipliers IS 'Factor by condition name, such as {"excellent": "0.92"}.';
COMMENT ON COLUMN products.price_rules.seasonal_adjustments IS 'Factor by number of the month as text, such as {"12": "1.10"}.';
COMMENT ON COLUMN products.price_rules.effective_until IS 'NULL: until further notice.';

CREATE TABLE products.brand_multipliers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    brand_id uuid NOT NULL REFERENCES products.brands (id) ON DELETE RESTRICT,
    multiplier_type varchar(50) NOT NULL CHECK (multiplier_type IN ('premium', 'discount', 'seasonal')),
    multiplier_value numeric(4,3) NOT NULL CHECK (multiplier_value > 0 AND multiplier_value <> 'NaN'),
    active boolean NOT NULL DEFAULT true,
    effective_from date NOT NULL,
    effective_until date,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX brand_multipliers_brand_id_idx ON products.brand_multipliers (brand_id);
COMMENT ON TABLE products.brand_multipliers IS 'Factor on the price of a brand for a time.';
COMMENT ON COLUMN products.brand_multipliers.effective_until IS 'NULL: until further notice.';

GRANT SELECT, INSERT, UPDATE, DELETE ON products.price_rules, products.brand_multipliers TO catalog_app;
