-- The figures of one set of sales add up the same way whichever view shows them.
SELECT 'totals of the views differ' AS violation,
       format('dashboard %s, months %s, days %s, platforms %s, countries %s, weekdays %s', dashboard.revenue, months.revenue,
           days.revenue, platforms.revenue, countries.revenue, weekdays.revenue) AS subject
FROM (SELECT coalesce(total_revenue, 0) AS revenue FROM analytics.executive_dashboard) AS dashboard,
     (SELECT coalesce(sum(gross_revenue), 0) AS revenue FROM analytics.monthly_revenue) AS months,
     (SELECT coalesce(sum(gross_revenue), 0) AS revenue FROM analytics.daily_revenue) AS days,
     (SELECT coalesce(sum(total_revenue), 0) AS revenue FROM analytics.platform_performance) AS platforms,
     (SELECT coalesce(sum(total_revenue), 0) AS revenue FROM analytics.sales_by_country) AS countries,
     (SELECT coalesce(sum(total_revenue), 0) AS revenue FROM analytics.sales_by_weekday) AS weekdays
WHERE NOT (dashboard.revenue = months.revenue AND months.revenue = days.revenue AND days.revenue = platforms.revenue
    AND platforms.revenue = countries.revenue AND countries.revenue = weekdays.revenue);

SELECT 'finance_app may not read the view' AS violation, format('analytics.%s', c.relname) AS subject
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = to_regnamespace('analytics')
    AND c.relkind IN ('v', 'm')
    AND NOT has_table_privilege('finance_app', c.oid, 'SELECT');

SELECT 'view is missing' AS violation, 'analytics.' || expected AS subject
FROM unnest(ARRAY['daily_revenue', 'monthly_revenue', 'daily_sales', 'data_quality_check', 'executive_dashboard',
    'platform_performance', 'recent_transactions', 'sales_by_country', 'sales_by_weekday', 'top_products',
    'top_products_revenue', 'brand_monthly_performance', 'revenue_growth', 'brand_market_position',
    'brand_collaboration_performance', 'brand_deep_dive_overview', 'nike_product_breakdown', 'brand_performance'])
    AS expected
WHERE to_regclass('analytics.' || expected) IS NULL;
