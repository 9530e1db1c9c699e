-- 03_product_views.up.sql of "finance: analytics views"                                  phase: EXPAND
-- Why: which products and brands earn the money. Products without brand stay: the join to brands is a left one.
CREATE VIEW analytics.top_products AS
SELECT
    p.name,
    p.sku,
    count(*) AS sales_count,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    sum(t.net_profit)::numeric(12,2) AS total_profit,
    avg(t.sale_price)::numeric(12,2) AS avg_price
FROM transactions.transactions AS t
JOIN products.inventory AS i ON i.id = t.inventory_id
JOIN products.products AS p ON p.id = i.product_id
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY p.id, p.name, p.sku
ORDER BY sum(t.sale_price) DESC, p.id
LIMIT 50;
COMMENT ON VIEW analytics.top_products IS
    'The 50 products with the highest revenue.';

CREATE VIEW analytics.top_products_revenue AS
SELECT
    p.name AS product_name,
    p.sku AS product_sku,
    b.name AS brand_name,
    count(*) AS total_sales,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    avg(t.sale_price)::numeric(12,2) AS avg_sale_price,
    sum(t.net_profit)::numeric(12,2) AS total_profit
FROM transactions.transactions AS t
JOIN products.inventory AS i ON i.id = t.inventory_id
JOIN products.products AS p ON p.id = i.product_id
LEFT JOIN products.brands AS b ON b.id = p.brand_id
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY p.id, p.name, p.sku, b.name
ORDER BY sum(t.sale_price) DESC, p.id
LIMIT 50;
COMMENT ON VIEW analytics.top_products_revenue IS
    'The 50 products with the highest revenue and their brand; brand_name is NULL for products without one.';

CREATE VIEW analytics.brand_market_position AS
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
        sum(t.sale_price) AS revenue,
        avg(t.sale_price) AS avg_price,
        stddev_samp(t.sale_price) AS price_variance,
        count(DISTINCT p.id) AS product_variety,
        count(DISTINCT date_trunc('month', t.transaction_date AT TIME ZONE 'UTC')::date) AS active_months
    FROM transactions.transactions AS t
    JOIN products.inventory AS i ON i.id = t.inventory_id
    JOIN products.products AS p ON p.id = i.product_id
    LEFT JOIN products.brands AS b ON b.id = p.brand_id
    WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
    GROUP BY b.id, b.name, b.segment, b.price_tier, b.target_demographic
) AS brands;
COMMENT ON VIEW analytics.brand_market_position IS
    'Position of each brand: shares of revenue and sales in percent, price and volume tier. price_variance is the '
    'sample standard deviation of the sale price. Products without brand form one row with NULL.';

CREATE VIEW analytics.brand_collaboration_performance AS
SELECT
    b.name AS brand_name,
    b.is_collaboration,
    parent.name AS parent_brand,
    count(*) AS total_sales,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    avg(t.sale_price)::numeric(12,2) AS avg_price,
    sum(t.net_profit)::numeric(12,2) AS total_profit
FROM transactions.transactions AS t
JOIN products.inventory AS i ON i.id = t.inventory_id
JOIN products.products AS p ON p.id = i.product_id
LEFT JOIN products.brands AS b ON b.id = p.brand_id
LEFT JOIN products.brands AS parent ON parent.id = b.parent_brand_id
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY b.id, b.name, b.is_collaboration, parent.name;
COMMENT ON VIEW analytics.brand_collaboration_performance IS
    'Sales per brand with its parent brand and whether it is a collaboration. Products without brand form one row '
    'with NULL.';

CREATE VIEW analytics.brand_performance AS
SELECT
    coalesce(b.name, 'Unknown Brand') AS brand_name,
    count(*) AS total_sales,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    sum(t.net_profit)::numeric(12,2) AS total_profit,
    avg(t.sale_price)::numeric(12,2) AS avg_sale_price,
    count(DISTINCT p.id) AS unique_products,
    (sum(t.net_profit) / nullif(sum(t.sale_price), 0) * 100)::numeric(9,2) AS profit_margin_percent,
    min((t.transaction_date AT TIME ZONE 'UTC')::date) AS first_sale,
    max((t.transaction_date AT TIME ZONE 'UTC')::date) AS last_sale
FROM transactions.transactions AS t
JOIN products.inventory AS i ON i.id = t.inventory_id
JOIN products.products AS p ON p.id = i.product_id
LEFT JOIN products.brands AS b ON b.id = p.brand_id
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY b.id, b.name;
COMMENT ON VIEW analytics.brand_performance IS
    'Sales, revenue, profit and margin per brand; Unknown Brand for products without one.';

GRANT SELECT ON
    analytics.top_products,
    analytics.top_products_revenue,
    analytics.brand_market_position,
    analytics.brand_collaboration_performance,
    analytics.brand_performance
    TO finance_app;
