-- What the data step made can be made again from the legacy rows; what happened to these orders since cannot.
SELECT 'migrated orders changed since' AS what, count(*) AS count
FROM transactions.orders AS o
JOIN transactions.legacy_order_map AS m ON m.order_id = o.id AND m.match_kind = 'migrated'
LEFT JOIN transactions.transactions AS t ON t.id = m.legacy_transaction_id
WHERE o.updated_at IS DISTINCT FROM t.updated_at
HAVING count(*) > 0;

SELECT 'kept orders changed since' AS what, count(*) AS count
FROM transactions.orders AS o
JOIN (
    SELECT order_id, created_at FROM transactions.legacy_order_map WHERE match_kind = 'duplicate'
    UNION ALL
    SELECT order_id, created_at FROM transactions.order_before_images
) AS kept ON kept.order_id = o.id
WHERE o.updated_at <> kept.created_at
HAVING count(*) > 0;

SELECT 'events of migrated orders' AS what, count(*) AS count
FROM transactions.order_events AS e
JOIN transactions.legacy_order_map AS m ON m.order_id = e.order_id AND m.match_kind = 'migrated'
HAVING count(*) > 0;
