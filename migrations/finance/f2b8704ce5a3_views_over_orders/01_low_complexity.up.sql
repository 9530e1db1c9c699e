-- 01_low_complexity.up.sql of "finance: analytics views over orders"                     phase: MIGRATE
-- Why: the legacy table has no sale after v2.2.2, and it goes. Its sales were in EUR, and amounts of other currencies are
-- never added to them.
CREATE OR REPLACE VIEW analytics.daily_revenue AS
SELECT
    (o.sold_at AT TIME ZONE 'UTC')::date AS sale_date,
    count(*) AS transactions_count,
    sum(o.gross_sale)::numeric(12,2) AS gross_revenue,
    sum(o.platform_fee)::numeric(12,2) AS total_fees,
    sum(o.shipping_cost)::numeric(12,2) AS total_shipping,
    sum(o.net_profit)::numeric(12,2) AS net_profit
FROM transactions.orders AS o
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.monthly_revenue AS
SELECT
    date_trunc('month', o.sold_at AT TIME ZONE 'UTC')::date AS month,
    count(*) AS transactions_count,
    sum(o.gross_sale)::numeric(12,2) AS gross_revenue,
    sum(o.platform_fee)::numeric(12,2) AS total_fees,
    sum(o.net_profit)::numeric(12,2) AS net_profit
FROM transactions.orders AS o
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.daily_sales AS
SELECT
    (o.sold_at AT TIME ZONE 'UTC')::date AS sale_date,
    count(*) AS transactions,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    sum(o.net_profit)::numeric(12,2) AS total_profit,
    avg(o.gross_sale)::numeric(12,2) AS avg_price,
    avg(o.net_profit)::numeric(12,2) AS avg_profit
FROM transactions.orders AS o
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.data_quality_check AS
SELECT
    checks.issue,
    count(*) FILTER (WHERE checks.found) AS count
FROM (
    SELECT issues.issue, issues.found
    FROM (VALUES (1)) AS always (one)
    LEFT JOIN transactions.orders AS o
        ON o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
    CROSS JOIN LATERAL (VALUES
        ('Missing Net Profit', o.id IS NOT NULL AND o.net_profit IS NULL),
        ('Missing Gross Sale', o.id IS NOT NULL AND o.gross_sale IS NULL),
        ('Negative Profit', o.net_profit < 0),
        ('Missing Platform Fee', o.id IS NOT NULL AND o.platform_fee IS NULL)
    ) AS issues (issue, found)
) AS checks
GROUP BY checks.issue;

DROP VIEW analytics.recent_transactions;
CREATE VIEW analytics.recent_transactions AS
SELECT
    o.sold_at AS transaction_date,
    p.name AS product_name,
    pl.name AS platform_name,
    o.gross_sale::numeric(12,2) AS sale_price,
    o.platform_fee::numeric(12,2) AS platform_fee,
    o.net_profit::numeric(12,2) AS net_profit,
    o.buyer_destination_country,
    o.buyer_destination_city,
    o.status
FROM transactions.orders AS o
JOIN products.inventory AS i ON i.id = o.inventory_item_id
JOIN products.products AS p ON p.id = i.product_id
JOIN core.platforms AS pl ON pl.id = o.platform_id
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
ORDER BY o.sold_at DESC, o.id DESC
LIMIT 100;

CREATE OR REPLACE VIEW analytics.sales_by_country AS
SELECT
    coalesce(o.buyer_destination_country, 'Unknown') AS destination_country,
    count(*) AS total_sales,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    avg(o.gross_sale)::numeric(12,2) AS avg_order_value
FROM transactions.orders AS o
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.sales_by_weekday AS
SELECT
    EXTRACT(dow FROM o.sold_at AT TIME ZONE 'UTC')::integer AS day_of_week_num,
    to_char(o.sold_at AT TIME ZONE 'UTC', 'FMDay') AS day_of_week_name,
    count(*) AS total_sales,
    sum(o.gross_sale)::numeric(12,2) AS total_revenue,
    avg(o.gross_sale)::numeric(12,2) AS avg_order_value
FROM transactions.orders AS o
WHERE o.status = 'completed' AND o.sold_at IS NOT NULL AND coalesce(o.currency_code, 'EUR') = 'EUR'
GROUP BY 1, 2;
