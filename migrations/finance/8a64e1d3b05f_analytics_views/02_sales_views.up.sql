-- 02_sales_views.up.sql of "finance: analytics views"                                    phase: EXPAND
-- Why: dashboards read completed sales, grouped by the calendar in UTC whatever the time zone of the reader is.
CREATE VIEW analytics.daily_revenue AS
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
COMMENT ON VIEW analytics.daily_revenue IS
    'Revenue, fees, shipping and net profit per day of sale (UTC).';

CREATE VIEW analytics.monthly_revenue AS
SELECT
    date_trunc('month', t.transaction_date AT TIME ZONE 'UTC')::date AS month,
    count(*) AS transactions_count,
    sum(t.sale_price)::numeric(12,2) AS gross_revenue,
    sum(t.platform_fee)::numeric(12,2) AS total_fees,
    sum(t.net_profit)::numeric(12,2) AS net_profit
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1;
COMMENT ON VIEW analytics.monthly_revenue IS
    'Revenue, fees and net profit per month of sale (UTC); month is its first day.';

CREATE VIEW analytics.daily_sales AS
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
COMMENT ON VIEW analytics.daily_sales IS
    'Number, revenue, profit and means per day of sale (UTC), all days.';

CREATE VIEW analytics.data_quality_check AS
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
COMMENT ON VIEW analytics.data_quality_check IS
    'Completed sales with a questionable value, one row per issue, 0 when there are none.';

CREATE VIEW analytics.executive_dashboard AS
SELECT
    count(*) AS total_transactions,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    avg(t.sale_price)::numeric(12,2) AS avg_order_value,
    count(DISTINCT (t.transaction_date AT TIME ZONE 'UTC')::date) AS active_days,
    min((t.transaction_date AT TIME ZONE 'UTC')::date) AS first_sale_date,
    max((t.transaction_date AT TIME ZONE 'UTC')::date) AS last_sale_date
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL;
COMMENT ON VIEW analytics.executive_dashboard IS
    'All completed sales in one row: number, revenue, mean, days with a sale, first and last day (UTC).';

CREATE VIEW analytics.platform_performance AS
SELECT
    pl.name AS platform_name,
    count(*) AS total_transactions,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    sum(t.platform_fee)::numeric(12,2) AS total_fees_paid,
    avg(t.sale_price)::numeric(12,2) AS avg_transaction_value,
    sum(t.net_profit)::numeric(12,2) AS net_profit
FROM transactions.transactions AS t
JOIN core.platforms AS pl ON pl.id = t.platform_id
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY pl.id, pl.name;
COMMENT ON VIEW analytics.platform_performance IS
    'Number, revenue, fees and net profit per platform.';

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
COMMENT ON VIEW analytics.recent_transactions IS
    'The newest 100 completed sales by (time of sale, id).';

CREATE VIEW analytics.sales_by_country AS
SELECT
    coalesce(t.buyer_destination_country, 'Unknown') AS destination_country,
    count(*) AS total_sales,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    avg(t.sale_price)::numeric(12,2) AS avg_order_value
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1;
COMMENT ON VIEW analytics.sales_by_country IS
    'Sales per country of destination; Unknown when it was not recorded.';

CREATE VIEW analytics.sales_by_weekday AS
SELECT
    EXTRACT(dow FROM t.transaction_date AT TIME ZONE 'UTC')::integer AS day_of_week_num,
    to_char(t.transaction_date AT TIME ZONE 'UTC', 'FMDay') AS day_of_week_name,
    count(*) AS total_sales,
    sum(t.sale_price)::numeric(12,2) AS total_revenue,
    avg(t.sale_price)::numeric(12,2) AS avg_order_value
FROM transactions.transactions AS t
WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
GROUP BY 1, 2;
COMMENT ON VIEW analytics.sales_by_weekday IS
    'Sales per weekday of sale (UTC); 0 = Sunday.';

CREATE VIEW analytics.revenue_growth AS
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
            date_trunc('month', t.transaction_date AT TIME ZONE 'UTC')::date AS month,
            sum(t.sale_price) AS revenue,
            count(*) AS transactions
        FROM transactions.transactions AS t
        WHERE t.status = 'completed' AND t.transaction_date IS NOT NULL
        GROUP BY 1
    ) AS sums
) AS months;
COMMENT ON VIEW analytics.revenue_growth IS
    'Growth from month to month in percent. Previous is the previous month that has sales, not the previous '
    'calendar month; without one, or with none above 0, NULL.';

GRANT SELECT ON
    analytics.daily_revenue,
    analytics.monthly_revenue,
    analytics.daily_sales,
    analytics.data_quality_check,
    analytics.executive_dashboard,
    analytics.platform_performance,
    analytics.recent_transactions,
    analytics.sales_by_country,
    analytics.sales_by_weekday,
    analytics.revenue_growth
    TO finance_app;
