SELECT 'index is missing or was not built to its end' AS violation, 'transactions.' || expected AS subject
FROM unnest(ARRAY['idx_orders_sold_at', 'idx_orders_payout_received']) AS expected
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS x
    WHERE x.indexrelid = to_regclass('transactions.' || expected) AND x.indisvalid
);

-- A sale of tomorrow is a date that was read wrongly (day and month, or a zone).
SELECT 'sale in the future' AS violation, id::text AS subject
FROM transactions.orders
WHERE sold_at > now() + interval '1 day';
