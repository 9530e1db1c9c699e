-- 02_medium_complexity.up.sql of "finance: analytics views over orders"                  phase: MIGRATE
-- Why: the legacy table has no sale after v2.2.2, and it goes. Its sales were in EUR, and amounts of other currencies are
-- never added to them.
CREATE OR REPLACE VIEW analytics.platform_performance AS
SELECT
    pl.name AS platform_name,
    count(*) AS total_transactions,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    sum(o.platform_fee)::numeric(12,2) AS total_fees_paid,
    avg(o.gross_sale)::numeric(12,2) AS avg_transaction_value,
    sum(o.net_profit)::numeric(12,2) AS net_profit
FROM transactions.orders AS o
JOIN core.platforms AS pl ON pl.id = o.platform_id
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY pl.id, pl.name;

CREATE OR REPLACE VIEW analytics.top_products AS
SELECT
    p.name,
    p.sku,
    count(*) AS sales_count,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    sum(o.net_profit)::numeric(12,2) AS total_profit,
    avg(o.gross_sale)::numeric(12,2) AS avg_price
FROM transactions.orders AS o
JOIN products.inventory AS i ON i.id = o.inventory_item_id
JOIN products.products AS p ON p.id = i.product_id
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY p.id, p.name, p.sku
ORDER BY sum(o.gross_sale) DESC, p.id
LIMIT 50;

CREATE OR REPLACE VIEW analytics.top_products_revenue AS
SELECT
    p.name AS product_name,
    p.sku AS product_sku,
    b.name AS brand_name,
    count(*) AS total_sales,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    avg(o.gross_sale)::numeric(12,2) AS avg_sale_price,
    sum(o.net_profit)::numeric(12,2) AS total_profit
FROM transactions.orders AS o
JOIN products.inventory AS i ON i.id = o.inventory_item_id
JOIN products.products AS p ON p.id = i.product_id
LEFT JOIN products.brands AS b ON b.id = p.brand_id
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY p.id, p.name, p.sku, b.name
ORDER BY sum(o.gross_sale) DESC, p.id
LIMIT 50;

CREATE OR REPLACE VIEW analytics.brand_monthly_performance AS
SELECT
    sales.month,
    sales.extracted_brand,
    count(*) AS transactions,
    sum(sales.gross_sale)::numeric(12,2) AS revenue,
    avg(sales.gross_sale)::numeric(12,2) AS avg_price,
    count(DISTINCT sales.product_id) AS unique_products
FROM (
    SELECT
        date_trunc('month', o.sold_at AT TIME ZONE 'UTC')::date AS month,
        p.id AS product_id,
        o.gross_sale,
        CASE
            WHEN lower(p.name) LIKE '%nike%' OR lower(p.name) LIKE '%air %' OR lower(p.name) LIKE '%dunk%' OR lower(p.name) LIKE '%blazer%' THEN 'Nike'
            WHEN lower(p.name) LIKE '%jordan%' OR lower(p.name) LIKE '%travis scott x%' THEN 'Nike Jordan'
            WHEN lower(p.name) LIKE '%adidas%' OR lower(p.name) LIKE '%yeezy%' THEN 'Adidas'
            WHEN lower(p.name) LIKE '%mattel%' OR lower(p.name) LIKE '%mega construx%' OR lower(p.name) LIKE '%cybertruck%' THEN 'Mattel'
            WHEN lower(p.name) LIKE '%off-white%' THEN 'Off-White'
            WHEN lower(p.name) LIKE '%salomon%' OR lower(p.name) LIKE '%xt-6%' OR lower(p.name) LIKE '%xt-4%' OR lower(p.name) LIKE '%acs pro%' THEN 'Salomon'
            WHEN lower(p.name) LIKE '%takashi murakami%' THEN 'Murakami'
            WHEN lower(p.name) LIKE '%balenciaga%' THEN 'Balenciaga'
            WHEN lower(p.name) LIKE '%reebok%' THEN 'Reebok'
            WHEN lower(p.name) LIKE '%telfar%' THEN 'Telfar'
            WHEN lower(p.name) LIKE '%taschen%' THEN 'Taschen'
            WHEN lower(p.name) LIKE '%kaws%' THEN 'KAWS'
            ELSE 'Other'
        END AS extracted_brand
    FROM transactions.orders AS o
    JOIN products.inventory AS i ON i.id = o.inventory_item_id
    JOIN products.products AS p ON p.id = i.product_id
    WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
) AS sales
WHERE sales.extracted_brand <> 'Other'
GROUP BY sales.month, sales.extracted_brand;

CREATE OR REPLACE VIEW analytics.revenue_growth AS
SELECT
    months.month,
    months.revenue::numeric(12,2) AS revenue,
    months.transactions,
    months.prev_month_revenue::numeric(12,2) AS prev_month_revenue,
    (CASE WHEN months.prev_month_revenue > 0
        THEN (months.revenue - months.prev_month_revenue) / months.prev_month_revenue * 100 END)::numeric(9,2)
        AS revenue_growth_percent,
    (CASE WHEN months.prev_month_transactions > 0
        THEN (months.transactions - months.prev_month_transactions)::numeric / months.prev_month_transactions * 100
        END)::numeric(9,2) AS transaction_growth_percent
FROM (
    SELECT
        sums.month,
        sums.revenue,
        sums.transactions,
        lag(sums.revenue) OVER (ORDER BY sums.month) AS prev_month_revenue,
        lag(sums.transactions) OVER (ORDER BY sums.month) AS prev_month_transactions
    FROM (
        SELECT
            date_trunc('month', o.sold_at AT TIME ZONE 'UTC')::date AS month,
            sum(o.gross_sale) AS revenue,
            count(*) AS transactions
        FROM transactions.orders AS o
        WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
        GROUP BY 1
    ) AS sums
) AS months;

CREATE OR REPLACE VIEW analytics.brand_collaboration_performance AS
SELECT
    b.name AS brand_name,
    b.is_collaboration,
    parent.name AS parent_brand,
    count(*) AS total_sales,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    avg(o.gross_sale)::numeric(12,2) AS avg_price,
    sum(o.net_profit)::numeric(12,2) AS total_profit
FROM transactions.orders AS o
JOIN products.inventory AS i ON i.id = o.inventory_item_id
JOIN products.products AS p ON p.id = i.product_id
LEFT JOIN products.brands AS b ON b.id = p.brand_id
LEFT JOIN products.brands AS parent ON parent.id = b.parent_brand_id
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY b.id, b.name, b.is_collaboration, parent.name;

CREATE OR REPLACE VIEW analytics.brand_performance AS
SELECT
    coalesce(b.name, 'Unknown Brand') AS brand_name,
    count(*) AS total_sales,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    sum(o.net_profit)::numeric(12,2) AS total_profit,
    avg(o.gross_sale)::numeric(12,2) AS avg_sale_price,
    count(DISTINCT p.id) AS unique_products,
    (sum(o.net_profit) / nullif(sum(o.gross_sale), 0) * 100)::numeric(9,2) AS profit_margin_percent,
    min((o.sold_at AT TIME ZONE 'UTC')::date) AS first_sale,
    max((o.sold_at AT TIME ZONE 'UTC')::date) AS last_sale
FROM transactions.orders AS o
JOIN products.inventory AS i ON i.id = o.inventory_item_id
JOIN products.products AS p ON p.id = i.product_id
LEFT JOIN products.brands AS b ON b.id = p.brand_id
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY b.id, b.name;
