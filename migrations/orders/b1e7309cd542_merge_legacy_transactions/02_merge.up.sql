-- 02_merge.up.sql of "Legacy transactions become orders"                                    phase: MIGRATE
-- Why: sales live in two tables, 39 of them in both. A legacy row and an order are the same sale when platform and
-- number are exactly equal, the number being the external id without its exact prefix "<slug>_". Nothing is decided by
-- containment or patterns, and nothing is guessed: what cannot be told apart stops the step and is listed.
--
-- All statements share one transaction, so now() marks the rows of this run. The step can be repeated: legacy rows that
-- are in the map are left alone.

-- No second merge, and no sale may enter or change on either side while they are compared.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtextextended('transactions.legacy_order_map', 0)); END $$;
LOCK TABLE transactions.transactions IN SHARE MODE;
LOCK TABLE transactions.orders, transactions.legacy_order_map IN SHARE ROW EXCLUSIVE MODE;

-- 1. Preconditions.
DO $$
DECLARE
    max_listed CONSTANT integer := 200;
    problems text[];
BEGIN
    WITH sides AS (
        SELECT
            'legacy transaction' AS side,
            t.id,
            p.slug,
            t.external_id,
            CASE WHEN starts_with(t.external_id, p.slug || '_') THEN substr(t.external_id, char_length(p.slug) + 2)
                ELSE t.external_id END AS number,
            t.id IN (SELECT m.legacy_transaction_id FROM transactions.legacy_order_map AS m) AS is_mapped,
            t.status,
            t.sale_price AS gross_sale
        FROM transactions.transactions AS t
        JOIN core.platforms AS p ON p.id = t.platform_id
        UNION ALL
        SELECT
            'order',
            o.id,
            p.slug,
            o.external_id,
            coalesce(o.stockx_order_number,
                CASE WHEN starts_with(o.external_id, p.slug || '_') THEN substr(o.external_id, char_length(p.slug) + 2)
                    ELSE o.external_id END),
            false,
            o.status,
            o.gross_sale
        FROM transactions.orders AS o
        JOIN core.platforms AS p ON p.id = o.platform_id
    ),
    repeated AS (
        SELECT side, slug, number, count(*) AS times FROM sides GROUP BY side, slug, number HAVING count(*) > 1
    ),
    -- A number of a sale still to be merged that exists on another platform too: the same sale under two names, or two
    -- sales that must not be mixed up. A person has to say which.
    ambiguous AS (
        SELECT number, string_agg(DISTINCT slug, ', ' ORDER BY slug) AS slugs
        FROM sides
        WHERE number <> ''
        GROUP BY number
        HAVING count(DISTINCT slug) > 1 AND bool_or(side = 'legacy transaction' AND NOT is_mapped)
    ),
    found (rule, side, id, text) AS (
        SELECT 1, side, id, 'number is missing (NULL)' FROM sides WHERE number IS NULL
        UNION ALL
        SELECT 2, side, id, format('number is empty (external id %s)', coalesce(quote_literal(external_id), 'NULL'))
        FROM sides WHERE btrim(number) = ''
        UNION ALL
        SELECT 3, s.side, s.id, format('number %L of %s is repeated: %s times', s.number, s.slug, r.times)
        FROM sides AS s
        JOIN repeated AS r ON r.side = s.side AND r.slug = s.slug AND r.number = s.number
        WHERE s.number <> ''
        UNION ALL
        SELECT 4, side, id, format('StockX number %L contains "_", which no StockX number does', number)
        FROM sides WHERE slug = 'stockx' AND strpos(number, '_') > 0
        UNION ALL
        SELECT 5, s.side, s.id, format('number %L exists on several platforms: %s (here %s)', s.number, a.slugs, s.slug)
        FROM sides AS s
        JOIN ambiguous AS a ON a.number = s.number
        UNION ALL
        SELECT 6, side, id, format('number %L has white space at an end', number)
        FROM sides WHERE number <> btrim(number, E' \t\r\n') AND btrim(number) <> ''
        UNION ALL
        SELECT 7, side, id, format('external id %L is not %s and the number', external_id, quote_literal(slug || '_'))
        FROM sides WHERE external_id <> slug || '_' || number
        UNION ALL
        SELECT 8, side, id, format('status %L is not a known status', status)
        FROM sides
        WHERE CASE lower(btrim(status)) WHEN 'sale completed' THEN 'completed' WHEN 'canceled' THEN 'cancelled'
                ELSE lower(btrim(status)) END NOT IN
            ('pending', 'confirmed', 'shipped', 'authenticating', 'authenticated', 'completed', 'cancelled', 'returned',
             'refunded', 'disputed')
        UNION ALL
        SELECT 9, side, id, format('sale price %s is negative', gross_sale) FROM sides WHERE gross_sale < 0
    )
    SELECT array_agg(format('%s %s: %s', side, id, text) ORDER BY rule, side, text, id) INTO problems FROM found;

    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'legacy transactions and orders cannot be matched: % findings', cardinality(problems)
            USING ERRCODE = 'integrity_constraint_violation',
                DETAIL = array_to_string(problems[1:max_listed], E'\n')
                    || CASE WHEN cardinality(problems) > max_listed
                        THEN format(E'\nand %s more', cardinality(problems) - max_listed) ELSE '' END,
                HINT = 'Nothing was changed. Correct the listed rows, then run the upgrade again.';
    END IF;
END
$$;

-- 2. Sales that both sides have: the order is kept, with an image of what it was.
INSERT INTO transactions.legacy_order_map (legacy_transaction_id, order_id, match_kind, matched_on, before_image)
SELECT t.id, o.id, 'duplicate', p.slug || '_' || numbers.legacy, to_jsonb(o)
FROM transactions.transactions AS t
JOIN core.platforms AS p ON p.id = t.platform_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN starts_with(t.external_id, p.slug || '_') THEN substr(t.external_id, char_length(p.slug) + 2)
        ELSE t.external_id END
) AS numbers (legacy)
JOIN transactions.orders AS o
    ON o.platform_id = t.platform_id
    AND coalesce(o.stockx_order_number,
        CASE WHEN starts_with(o.external_id, p.slug || '_') THEN substr(o.external_id, char_length(p.slug) + 2)
            ELSE o.external_id END) = numbers.legacy
WHERE NOT EXISTS (SELECT 1 FROM transactions.legacy_order_map AS m WHERE m.legacy_transaction_id = t.id);

-- The kept order wins; only gaps are filled. Two exceptions: the external id follows the convention, and gross_sale,
-- which held the payout, becomes the legacy sale price (the previous value stays in raw_data and in the image).
UPDATE transactions.orders AS o
SET external_id = m.matched_on,
    status = CASE lower(btrim(o.status)) WHEN 'sale completed' THEN 'completed' WHEN 'canceled' THEN 'cancelled'
        ELSE lower(btrim(o.status)) END,
    gross_sale = t.sale_price,
    platform_fee = coalesce(o.platform_fee, t.platform_fee),
    shipping_cost = coalesce(o.shipping_cost, t.shipping_cost),
    buyer_destination_country = coalesce(o.buyer_destination_country, t.buyer_destination_country),
    buyer_destination_city = coalesce(o.buyer_destination_city, t.buyer_destination_city),
    notes = coalesce(o.notes, t.notes),
    raw_data = coalesce(o.raw_data, '{}')
        || jsonb_build_object('legacy_transaction_id', t.id, 'gross_sale_before', o.gross_sale::text),
    updated_at = now()
FROM transactions.legacy_order_map AS m
JOIN transactions.transactions AS t ON t.id = m.legacy_transaction_id
WHERE m.order_id = o.id AND m.match_kind = 'duplicate' AND m.created_at = now();

-- 3. Orders without a legacy row: status and external id only. Migrated orders are not there yet, or are in the map.
INSERT INTO transactions.order_before_images (order_id, before_image)
SELECT o.id, to_jsonb(o)
FROM transactions.orders AS o
WHERE NOT EXISTS (SELECT 1 FROM transactions.legacy_order_map AS m WHERE m.order_id = o.id)
    AND NOT EXISTS (SELECT 1 FROM transactions.order_before_images AS i WHERE i.order_id = o.id)
    AND ((o.external_id IS NULL AND o.stockx_order_number IS NOT NULL) OR o.status NOT IN
        ('pending', 'confirmed', 'shipped', 'authenticating', 'authenticated', 'completed', 'cancelled', 'returned',
         'refunded', 'disputed'));

UPDATE transactions.orders AS o
SET external_id = coalesce(o.external_id, 'stockx_' || o.stockx_order_number),
    status = CASE lower(btrim(o.status)) WHEN 'sale completed' THEN 'completed' WHEN 'canceled' THEN 'cancelled'
        ELSE lower(btrim(o.status)) END,
    updated_at = now()
FROM transactions.order_before_images AS i
WHERE i.order_id = o.id AND i.created_at = now();

-- 4. All other legacy rows become orders. The payout was never recorded: NULL, because false would report paid sales as
-- open. net_proceeds is computed; the legacy net_profit is no profit and copied as it is.
WITH fresh AS MATERIALIZED (
    SELECT
        gen_random_uuid() AS order_id,
        t.*,
        CASE WHEN p.slug = 'stockx' AND starts_with(t.external_id, 'stockx_')
            THEN substr(t.external_id, char_length('stockx_') + 1) END AS stockx_number
    FROM transactions.transactions AS t
    JOIN core.platforms AS p ON p.id = t.platform_id
    WHERE NOT EXISTS (SELECT 1 FROM transactions.legacy_order_map AS m WHERE m.legacy_transaction_id = t.id)
),
inserted AS (
    INSERT INTO transactions.orders (
        id, platform_id, inventory_item_id, external_id, stockx_order_number, status, currency_code, sold_at, gross_sale,
        net_proceeds, net_profit, platform_fee, shipping_cost, payout_received, buyer_destination_country,
        buyer_destination_city, notes, raw_data, created_at, updated_at)
    SELECT
        order_id, platform_id, inventory_id, external_id, stockx_number, lower(btrim(status)), 'EUR', transaction_date,
        sale_price, sale_price - platform_fee - shipping_cost, net_profit, platform_fee, shipping_cost, NULL,
        buyer_destination_country, buyer_destination_city, notes,
        jsonb_build_object('source', 'transactions.transactions', 'legacy_transaction_id', id), created_at, updated_at
    FROM fresh
)
INSERT INTO transactions.legacy_order_map (legacy_transaction_id, order_id, match_kind)
SELECT id, order_id, 'migrated' FROM fresh;
