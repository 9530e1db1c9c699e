-- 03_high_complexity.up.sql of "finance: analytics views over orders"                    phase: MIGRATE
-- Why: the legacy table has no sale after v2.2.2, and it goes. Its sales were in EUR, and amounts of other currencies are
-- never added to them.
CREATE OR REPLACE VIEW analytics.executive_dashboard AS
SELECT
    count(*) AS total_transactions,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    avg(o.gross_sale)::numeric(12,2) AS avg_order_value,
    count(DISTINCT (o.sold_at AT TIME ZONE 'UTC')::date) AS active_days,
    min((o.sold_at AT TIME ZONE 'UTC')::date) AS first_sale_date,
    max((o.sold_at AT TIME ZONE 'UTC')::date) AS last_sale_date
FROM transactions.orders AS o
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR';

CREATE OR REPLACE VIEW analytics.brand_market_position AS
SELECT
    brands.brand_name,
    brands.segment,
    brands.price_tier,
    brands.target_demographic,
    brands.sales_count,
    brands.revenue::numeric(12,2) AS revenue,
    brands.avg_price::numeric(12,2) AS avg_price,
    brands.price_variance::numeric(12,2) AS price_variance,
    brands.product_variety,
    brands.active_months,
    (brands.revenue / nullif(sum(brands.revenue) OVER (), 0) * 100)::numeric(9,2) AS market_share_pct,
    (brands.sales_count / nullif(sum(brands.sales_count) OVER (), 0) * 100)::numeric(9,2) AS sales_share_pct,
    CASE WHEN brands.avg_price > 200 THEN 'Premium' WHEN brands.avg_price > 100 THEN 'Mid-Range' ELSE 'Entry-Level' END
        AS price_positioning,
    CASE WHEN brands.sales_count > 100 THEN 'High Volume' WHEN brands.sales_count > 50 THEN 'Medium Volume'
        ELSE 'Low Volume' END AS volume_tier
FROM (
    SELECT
        b.name AS brand_name,
        b.segment,
        b.price_tier,
        b.target_demographic,
        count(*) AS sales_count,
        sum(o.gross_sale) AS revenue,
        avg(o.gross_sale) AS avg_price,
        stddev_samp(o.gross_sale) AS price_variance,
        count(DISTINCT p.id) AS product_variety,
        count(DISTINCT date_trunc('month', o.sold_at AT TIME ZONE 'UTC')::date) AS active_months
    FROM transactions.orders AS o
    JOIN products.inventory AS i ON i.id = o.inventory_item_id
    JOIN products.products AS p ON p.id = i.product_id
    LEFT JOIN products.brands AS b ON b.id = p.brand_id
    WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
    GROUP BY b.id, b.name, b.segment, b.price_tier, b.target_demographic
) AS brands;

CREATE OR REPLACE VIEW analytics.brand_deep_dive_overview AS
SELECT
    sales.extracted_brand,
    count(*) AS total_transactions,
    count(DISTINCT sales.product_id) AS unique_products,
    sum(sales.gross_sale)::numeric(12,2) AS total_revenue,
    avg(sales.gross_sale)::numeric(12,2) AS avg_sale_price,
    sum(sales.platform_fee)::numeric(12,2) AS total_fees_paid,
    sum(sales.net_profit)::numeric(12,2) AS total_profit,
    (sum(sales.net_profit) / nullif(sum(sales.gross_sale), 0) * 100)::numeric(9,2) AS profit_margin_percent,
    min(sales.sale_date) AS first_sale,
    max(sales.sale_date) AS last_sale,
    avg(sales.gross_sale)::numeric(12,2) AS avg_transaction_value
FROM (
    SELECT
        (o.sold_at AT TIME ZONE 'UTC')::date AS sale_date,
        p.id AS product_id,
        o.gross_sale,
        o.platform_fee,
        o.net_profit,
        CASE
            WHEN lower(p.name) LIKE '%nike%' OR lower(p.name) LIKE '%air %' OR lower(p.name) LIKE '%dunk%' OR lower(p.name) LIKE '%blazer%' OR lower(p.name) LIKE '%cortez%' THEN 'Nike'
            WHEN lower(p.name) LIKE '%jordan%' OR lower(p.name) LIKE '%travis scott x%' THEN 'Nike Jordan'
            WHEN lower(p.name) LIKE '%adidas%' OR lower(p.name) LIKE '%yeezy%' OR lower(p.name) LIKE '%ultraboost%' THEN 'Adidas'
            WHEN lower(p.name) LIKE '%new balance%' OR lower(p.name) ~ '^[0-9]{3,4}([^0-9]|$)' THEN 'New Balance'
            WHEN lower(p.name) LIKE '%asics%' OR lower(p.name) LIKE '%gel-%' THEN 'ASICS'
            WHEN lower(p.name) LIKE '%converse%' OR lower(p.name) LIKE '%chuck%' THEN 'Converse'
            WHEN lower(p.name) LIKE '%vans%' THEN 'Vans'
            WHEN lower(p.name) LIKE '%crocs%' THEN 'Crocs'
            WHEN lower(p.name) LIKE '%ugg%' THEN 'UGG'
            WHEN lower(p.name) LIKE '%timberland%' THEN 'Timberland'
            WHEN lower(p.name) LIKE '%puma%' THEN 'Puma'
            WHEN lower(p.name) LIKE '%hoka%' THEN 'HOKA'
            WHEN lower(p.name) LIKE '%mattel%' OR lower(p.name) LIKE '%mega construx%' OR lower(p.name) LIKE '%cybertruck%' THEN 'Mattel'
            WHEN lower(p.name) LIKE '%off-white%' OR lower(p.name) LIKE '%off white%' THEN 'Off-White'
            WHEN lower(p.name) LIKE '%palace%' THEN 'Palace'
            WHEN lower(p.name) LIKE '%supreme%' THEN 'Supreme'
            WHEN lower(p.name) LIKE '%salomon%' OR lower(p.name) LIKE '%xt-6%' OR lower(p.name) LIKE '%xt-4%' OR lower(p.name) LIKE '%acs pro%' THEN 'Salomon'
            WHEN lower(p.name) LIKE '%takashi murakami%' THEN 'Murakami'
            WHEN lower(p.name) LIKE '%balenciaga%' THEN 'Balenciaga'
            WHEN lower(p.name) LIKE '%reebok%' THEN 'Reebok'
            WHEN lower(p.name) LIKE '%telfar%' THEN 'Telfar'
            WHEN lower(p.name) LIKE '%taschen%' THEN 'Taschen'
            WHEN lower(p.name) LIKE '%kaws%' THEN 'KAWS'
            ELSE 'Other/Unknown'
        END AS extracted_brand
    FROM transactions.orders AS o
    JOIN products.inventory AS i ON i.id = o.inventory_item_id
    JOIN products.products AS p ON p.id = i.product_id
    WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
) AS sales
GROUP BY sales.extracted_brand;

CREATE OR REPLACE VIEW analytics.nike_product_breakdown AS
SELECT
    sales.nike_line,
    count(*) AS total_sales,
    count(DISTINCT sales.product_id) AS unique_products,
    sum(sales.gross_sale)::numeric(12,2) AS total_revenue,
    avg(sales.gross_sale)::numeric(12,2) AS avg_price,
    min(sales.gross_sale)::numeric(12,2) AS min_price,
    max(sales.gross_sale)::numeric(12,2) AS max_price,
    min(sales.sale_date) AS first_sale,
    max(sales.sale_date) AS last_sale
FROM (
    SELECT
        (o.sold_at AT TIME ZONE 'UTC')::date AS sale_date,
        p.id AS product_id,
        o.gross_sale,
        CASE
            WHEN lower(p.name) LIKE '%dunk%' THEN 'Nike Dunk'
            WHEN lower(p.name) LIKE '%air max%' THEN 'Nike Air Max'
            WHEN lower(p.name) LIKE '%air force%' THEN 'Nike Air Force'
            WHEN lower(p.name) LIKE '%jordan%' THEN 'Nike Jordan'
            WHEN lower(p.name) LIKE '%blazer%' THEN 'Nike Blazer'
            WHEN lower(p.name) LIKE '%cortez%' THEN 'Nike Cortez'
            WHEN lower(p.name) LIKE '%zoom%' THEN 'Nike Zoom'
            WHEN lower(p.name) LIKE '%travis scott%' THEN 'Travis Scott Collab'
            ELSE 'Other Nike'
        END AS nike_line
    FROM transactions.orders AS o
    JOIN products.inventory AS i ON i.id = o.inventory_item_id
    JOIN products.products AS p ON p.id = i.product_id
    WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
        AND (lower(p.name) LIKE '%nike%' OR lower(p.name) LIKE '%air %' OR lower(p.name) LIKE '%dunk%'
            OR lower(p.name) LIKE '%jordan%')
) AS sales
GROUP BY sales.nike_line;
