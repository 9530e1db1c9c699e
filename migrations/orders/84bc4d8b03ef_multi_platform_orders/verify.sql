SELECT 'order of another platform has a StockX number' AS violation, o.id::text AS subject
FROM transactions.orders AS o
JOIN core.platforms AS p ON p.id = o.platform_id
WHERE p.slug <> 'stockx' AND o.stockx_order_number IS NOT NULL;

-- Number and external id of a StockX order say the same.
SELECT 'external id is not stockx_ and the StockX number' AS violation, id::text AS subject
FROM transactions.orders
WHERE stockx_order_number IS NOT NULL AND external_id <> 'stockx_' || stockx_order_number;

SELECT 'index is missing or was not built to its end' AS violation, 'transactions.' || expected AS subject
FROM unnest(ARRAY['ix_orders_external_id', 'orders_platform_id_external_id_key']) AS expected
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS x
    WHERE x.indexrelid = to_regclass('transactions.' || expected) AND x.indisvalid
);
