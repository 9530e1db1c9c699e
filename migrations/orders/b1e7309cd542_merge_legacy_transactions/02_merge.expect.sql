-- V1 to V12 of the data step, with expectations computed from the legacy rows and orders that were found: an empty legacy
-- table gives zeros and passes. Each row: check, what is expected, what is there.

-- Orders in total: one per distinct sale of both sources.
SELECT 'V1' AS check_id,
    (SELECT count(*)::text FROM (
        SELECT platform_id, external_id FROM transactions.transactions
        UNION
        SELECT platform_id, external_id FROM transactions.orders
    ) AS sales) AS expected,
    (SELECT count(*)::text FROM transactions.orders) AS actual;

-- Orders without platform.
SELECT 'V2' AS check_id, '0' AS expected, count(*)::text AS actual
FROM transactions.orders WHERE platform_id IS NULL;

-- Every StockX order has an external id that starts with the literal stockx_ ("_" is no wildcard here).
SELECT 'V3' AS check_id,
    (SELECT count(*)::text
     FROM transactions.orders AS o
     JOIN core.platforms AS p ON p.id = o.platform_id
     WHERE p.slug = 'stockx') AS expected,
    (SELECT count(*)::text FROM transactions.orders WHERE starts_with(external_id, 'stockx_')) AS actual;

-- First and last day of sale (UTC): of the legacy rows that became orders, and of the orders that were kept.
SELECT 'V4' AS check_id,
    (SELECT coalesce(to_char(min(sold_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'none') || ' / '
        || coalesce(to_char(max(sold_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'none')
     FROM (
        SELECT t.transaction_date
        FROM transactions.transactions AS t
        JOIN transactions.legacy_order_map AS m ON m.legacy_transaction_id = t.id AND m.match_kind = 'migrated'
        UNION ALL
        SELECT (m.before_image ->> 'sold_at')::timestamptz
        FROM transactions.legacy_order_map AS m
        WHERE m.match_kind = 'duplicate'
        UNION ALL
        SELECT o.sold_at
        FROM transactions.orders AS o
        WHERE NOT EXISTS (SELECT 1 FROM transactions.legacy_order_map AS m WHERE m.order_id = o.id)
     ) AS sources (sold_at)) AS expected,
    (SELECT coalesce(to_char(min(sold_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'none') || ' / '
        || coalesce(to_char(max(sold_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'none')
     FROM transactions.orders) AS actual;

-- StockX numbers that occur more than once.
SELECT 'V5' AS check_id, '0' AS expected, count(*)::text AS actual
FROM (
    SELECT stockx_order_number
    FROM transactions.orders
    WHERE stockx_order_number IS NOT NULL
    GROUP BY stockx_order_number
    HAVING count(*) > 1
) AS repeated;

-- Orders behind legacy rows with gross sale and with net profit.
SELECT 'V6' AS check_id,
    (SELECT format('gross_sale %s, net_profit %s', count(*),
        count(*) FILTER (WHERE m.match_kind = 'migrated' OR m.before_image ->> 'net_profit' IS NOT NULL))
     FROM transactions.transactions AS t
     LEFT JOIN transactions.legacy_order_map AS m ON m.legacy_transaction_id = t.id) AS expected,
    (SELECT format('gross_sale %s, net_profit %s', count(o.gross_sale), count(o.net_profit))
     FROM transactions.orders AS o
     JOIN transactions.legacy_order_map AS m ON m.order_id = o.id) AS actual;

-- Orders behind legacy rows with platform fee: all, since gaps of the kept ones are filled.
SELECT 'V7' AS check_id,
    (SELECT count(*)::text FROM transactions.transactions) AS expected,
    (SELECT count(o.platform_fee)::text
     FROM transactions.orders AS o
     JOIN transactions.legacy_order_map AS m ON m.order_id = o.id) AS actual;

-- Orders behind legacy rows per platform.
SELECT 'V8' AS check_id,
    (SELECT coalesce(string_agg(format('%s %s', slug, number), ', ' ORDER BY slug), '0')
     FROM (
        SELECT p.slug, count(*) AS number
        FROM transactions.transactions AS t
        JOIN core.platforms AS p ON p.id = t.platform_id
        GROUP BY p.slug
     ) AS legacy) AS expected,
    (SELECT coalesce(string_agg(format('%s %s', slug, number), ', ' ORDER BY slug), '0')
     FROM (
        SELECT p.slug, count(*) AS number
        FROM transactions.orders AS o
        JOIN transactions.legacy_order_map AS m ON m.order_id = o.id
        JOIN core.platforms AS p ON p.id = o.platform_id
        GROUP BY p.slug
     ) AS merged) AS actual;

-- Orders whose item or platform does not exist.
SELECT 'V9' AS check_id, '0 / 0' AS expected,
    (SELECT count(*)::text FROM transactions.orders AS o
     WHERE NOT EXISTS (SELECT 1 FROM products.inventory AS i WHERE i.id = o.inventory_item_id))
    || ' / ' ||
    (SELECT count(*)::text FROM transactions.orders AS o
     WHERE NOT EXISTS (SELECT 1 FROM core.platforms AS p WHERE p.id = o.platform_id)) AS actual;

-- The map: one row per legacy row, one order each, and as many duplicates as there are kept orders of the same number.
SELECT 'V10' AS check_id,
    (SELECT format('%s rows, %s orders, %s migrated, %s duplicate', count(*), count(*),
        count(*) FILTER (WHERE kept.id IS NULL), count(*) FILTER (WHERE kept.id IS NOT NULL))
     FROM transactions.transactions AS t
     LEFT JOIN transactions.orders AS kept
        ON kept.platform_id = t.platform_id
        AND kept.external_id = t.external_id
        AND NOT coalesce(kept.raw_data @> '{"source": "transactions.transactions"}', false)) AS expected,
    (SELECT format('%s rows, %s orders, %s migrated, %s duplicate', count(*), count(DISTINCT order_id),
        count(*) FILTER (WHERE match_kind = 'migrated'), count(*) FILTER (WHERE match_kind = 'duplicate'))
     FROM transactions.legacy_order_map) AS actual;

-- Sums over the legacy rows that became orders, and over those orders.
SELECT 'V11' AS check_id,
    (SELECT format('sale price %s, platform fee %s, shipping %s, net profit %s', coalesce(sum(t.sale_price), 0.00),
        coalesce(sum(t.platform_fee), 0.00), coalesce(sum(t.shipping_cost), 0.00), coalesce(sum(t.net_profit), 0.00))
     FROM transactions.transactions AS t
     JOIN transactions.legacy_order_map AS m ON m.legacy_transaction_id = t.id
     WHERE m.match_kind = 'migrated') AS expected,
    (SELECT format('sale price %s, platform fee %s, shipping %s, net profit %s', coalesce(sum(o.gross_sale), 0.00),
        coalesce(sum(o.platform_fee), 0.00), coalesce(sum(o.shipping_cost), 0.00), coalesce(sum(o.net_profit), 0.00))
     FROM transactions.orders AS o
     JOIN transactions.legacy_order_map AS m ON m.order_id = o.id
     WHERE m.match_kind = 'migrated') AS actual;

-- Statuses: none outside the unified set, and as many completed as both sources had under any spelling.
SELECT 'V12' AS check_id,
    (SELECT format('0 outside the set, %s completed', count(*))
     FROM (
        SELECT t.status
        FROM transactions.transactions AS t
        JOIN transactions.legacy_order_map AS m ON m.legacy_transaction_id = t.id AND m.match_kind = 'migrated'
        UNION ALL
        SELECT m.before_image ->> 'status'
        FROM transactions.legacy_order_map AS m
        WHERE m.match_kind = 'duplicate'
     ) AS sources (status)
     WHERE lower(btrim(status)) IN ('completed', 'sale completed')) AS expected,
    (SELECT format('%s outside the set, %s completed',
        count(*) FILTER (WHERE o.status NOT IN
            ('pending', 'confirmed', 'shipped', 'authenticating', 'authenticated', 'completed', 'cancelled', 'returned',
             'refunded', 'disputed')),
        count(*) FILTER (WHERE o.status = 'completed' AND m.order_id IS NOT NULL))
     FROM transactions.orders AS o
     LEFT JOIN transactions.legacy_order_map AS m ON m.order_id = o.id) AS actual;
