-- Q1 to Q8 beside what the comparison of the views showed (each view, rows equal both ways: Q1 and Q5). The set of Q1 to
-- Q4: legacy sales that became orders which nobody changed since.

-- Sales.
SELECT 'Q1' AS check_id, count(*)::text AS expected, count(o.id)::text AS actual
FROM transactions.legacy_order_map AS m
JOIN transactions.transactions AS t ON t.id = m.legacy_transaction_id
JOIN transactions.orders AS k ON k.id = m.order_id AND k.updated_at = t.updated_at
LEFT JOIN transactions.orders AS o ON o.id = m.order_id AND o.status = t.status AND o.sold_at = t.transaction_date
WHERE m.match_kind = 'migrated';

-- Totals of money, of the kept duplicates too: their price and fee agree with the legacy row.
SELECT 'Q2' AS check_id,
    format('revenue %s, fees %s', coalesce(sum(t.sale_price), 0), coalesce(sum(t.platform_fee), 0)) AS expected,
    format('revenue %s, fees %s', coalesce(sum(o.gross_sale), 0), coalesce(sum(o.platform_fee), 0)) AS actual
FROM transactions.legacy_order_map AS m
JOIN transactions.transactions AS t ON t.id = m.legacy_transaction_id
JOIN transactions.orders AS o ON o.id = m.order_id
    AND o.updated_at = CASE m.match_kind WHEN 'migrated' THEN t.updated_at ELSE m.created_at END;

SELECT 'Q2 profit' AS check_id, coalesce(sum(t.net_profit), 0)::text AS expected, coalesce(sum(o.net_profit), 0)::text AS actual
FROM transactions.legacy_order_map AS m
JOIN transactions.transactions AS t ON t.id = m.legacy_transaction_id
JOIN transactions.orders AS o ON o.id = m.order_id AND o.updated_at = t.updated_at
WHERE m.match_kind = 'migrated';

-- First and last sale.
SELECT 'Q3' AS check_id,
    format('%s to %s', min(t.transaction_date AT TIME ZONE 'UTC'), max(t.transaction_date AT TIME ZONE 'UTC')) AS expected,
    format('%s to %s', min(o.sold_at AT TIME ZONE 'UTC'), max(o.sold_at AT TIME ZONE 'UTC')) AS actual
FROM transactions.legacy_order_map AS m
JOIN transactions.transactions AS t ON t.id = m.legacy_transaction_id
JOIN transactions.orders AS o ON o.id = m.order_id AND o.updated_at = t.updated_at
WHERE m.match_kind = 'migrated';

-- Values that are missing.
SELECT 'Q4' AS check_id,
    format('country %s, city %s', count(*) - count(t.buyer_destination_country), count(*) - count(t.buyer_destination_city)) AS expected,
    format('country %s, city %s', count(*) - count(o.buyer_destination_country), count(*) - count(o.buyer_destination_city)) AS actual
FROM transactions.legacy_order_map AS m
JOIN transactions.transactions AS t ON t.id = m.legacy_transaction_id
JOIN transactions.orders AS o ON o.id = m.order_id AND o.updated_at = t.updated_at
WHERE m.match_kind = 'migrated';

-- The dashboard answers in time.
SELECT 'Q6' AS check_id, 'under 2 s' AS expected,
    CASE WHEN clock_timestamp() - began.at < interval '2 s' THEN 'under 2 s' ELSE (clock_timestamp() - began.at)::text END AS actual
FROM (SELECT clock_timestamp() AS at OFFSET 0) AS began
CROSS JOIN LATERAL (SELECT count(*) FROM analytics.executive_dashboard WHERE began.at IS NOT NULL) AS dashboard;

-- One total, whichever view shows it.
SELECT 'Q7' AS check_id,
    (SELECT coalesce(total_revenue, 0)::numeric(12,2)::text FROM analytics.executive_dashboard) AS expected,
    (SELECT coalesce(sum(gross_revenue), 0)::numeric(12,2)::text FROM analytics.monthly_revenue) AS actual
UNION ALL
SELECT 'Q7 days',
    (SELECT coalesce(total_revenue, 0)::numeric(12,2)::text FROM analytics.executive_dashboard),
    (SELECT coalesce(sum(gross_revenue), 0)::numeric(12,2)::text FROM analytics.daily_revenue);

SELECT 'Q8 platforms' AS check_id,
    (SELECT coalesce(total_revenue, 0)::numeric(12,2)::text FROM analytics.executive_dashboard) AS expected,
    (SELECT coalesce(sum(total_revenue), 0)::numeric(12,2)::text FROM analytics.platform_performance) AS actual
UNION ALL
SELECT 'Q8 countries',
    (SELECT coalesce(total_revenue, 0)::numeric(12,2)::text FROM analytics.executive_dashboard),
    (SELECT coalesce(sum(total_revenue), 0)::numeric(12,2)::text FROM analytics.sales_by_country)
UNION ALL
SELECT 'Q8 weekdays',
    (SELECT coalesce(total_revenue, 0)::numeric(12,2)::text FROM analytics.executive_dashboard),
    (SELECT coalesce(sum(total_revenue), 0)::numeric(12,2)::text FROM analytics.sales_by_weekday);
