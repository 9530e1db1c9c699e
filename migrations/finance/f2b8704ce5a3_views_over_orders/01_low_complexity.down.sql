CREATE OR REPLACE VIEW analytics.daily_revenue AS
SELECT
    (t.transaction_date AT TIME ZONE 'UTC')::date AS sale_date,
    count(*) AS transactions_count,
    sum(t.sale_price)::numeric(12,2) AS gross_revenue,
    sum(t.platform_fee)::numeric(12,2) AS total_fees,
    sum(t.shipping_cost)::numeric(12,2) AS total_shipping,
    sum(t.net_profit)::numeric(12,2) AS net_profit
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.monthly_revenue AS
SELECT
    date_trunc('month', t.transaction_date AT TIME ZONE 'UTC')::date AS month,
    count(*) AS transactions_count,
    sum(t.sale_price)::numeric(12,2) AS gross_revenue,
    sum(t.platform_fee)::numeric(12,2) AS total_fees,
    sum(t.net_profit)::numeric(12,2) AS net_profit
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.daily_sales AS
SELECT
    (t.transaction_date AT TIME ZONE 'UTC')::date AS sale_date,
    count(*) AS transactions,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    sum(t.net_profit)::numeric(12,2) AS total_profit,
    avg(t.sale_price)::numeric(12,2) AS avg_price,
    avg(t.net_profit)::numeric(12,2) AS avg_profit
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.data_quality_check AS
SELECT
    checks.issue,
    count(*) FILTER (WHERE checks.found) AS count
FROM (
    SELECT issues.issue, issues.found
    FROM (VALUES (1)) AS always (one)
    LEFT JOIN transactions.transactions AS t
        ON t.status = 'completed' AND t.transaction_date IS NOT NULL
    CROSS JOIN LATERAL (VALUES
        ('Missing Net Profit', t.id IS NOT NULL AND t.net_profit IS NULL),
        ('Missing Gross Sale', t.id IS NOT NULL AND t.sale_price IS NULL),
        ('Negative Profit', t.net_profit < 0),
        ('Missing Platform Fee', t.id IS NOT NULL AND t.platform_fee IS NULL)
    ) AS issues (issue, found)
) AS checks
GROUP BY checks.issue;

DROP VIEW analytics.recent_transactions;
CREATE VIEW analytics.recent_transactions AS
SELECT
    t.transaction_date,
    p.name AS product_name,
    pl.name AS platform_name,
    t.sale_price::numeric(12,2) AS sale_price,
    t.platform_fee::numeric(12,2) AS platform_fee,
    t.net_profit::numeric(12,2) AS net_profit,
    t.buyer_destination_country,
    t.buyer_destination_city,
    t.status
FROM transactions.transactions AS t
JOIN products.inventory AS i ON i.id = t.inventory_id
JOIN products.products AS p ON p.id = i.product_id
JOIN core.platforms AS pl ON pl.id = t.platform_id
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
ORDER BY t.transaction_date DESC, t.id DESC
LIMIT 100;

CREATE OR REPLACE VIEW analytics.sales_by_country AS
SELECT
    coalesce(t.buyer_destination_country, 'Unknown') AS destination_country,
    count(*) AS total_sales,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    avg(t.sale_price)::numeric(12,2) AS avg_order_value
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1;

CREATE OR REPLACE VIEW analytics.sales_by_weekday AS
SELECT
    EXTRACT(dow FROM t.transaction_date AT TIME ZONE 'UTC')::integer AS day_of_week_num,
    to_char(t.transaction_date AT TIME ZONE 'UTC', 'FMDay') AS day_of_week_name,
    count(*) AS total_sales,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    avg(t.sale_price)::numeric(12,2) AS avg_order_value
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1, 2;
