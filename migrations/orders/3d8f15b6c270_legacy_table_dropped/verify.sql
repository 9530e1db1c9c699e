SELECT 'order without platform' AS violation, o.id::text AS subject
FROM transactions.orders AS o
WHERE NOT EXISTS (SELECT 1 FROM core.platforms AS p WHERE p.id = o.platform_id);

SELECT 'order without inventory item' AS violation, o.id::text AS subject
FROM transactions.orders AS o
WHERE NOT EXISTS (SELECT 1 FROM products.inventory AS i WHERE i.id = o.inventory_item_id);

SELECT 'archived legacy transaction is not in the map' AS violation, t.id::text AS subject
FROM transactions.legacy_transactions_archive AS t
WHERE NOT EXISTS (SELECT 1 FROM transactions.legacy_order_map AS m WHERE m.legacy_transaction_id = t.id);

SELECT 'map row without archived legacy transaction' AS violation, m.legacy_transaction_id::text AS subject
FROM transactions.legacy_order_map AS m
WHERE NOT EXISTS (SELECT 1 FROM transactions.legacy_transactions_archive AS t WHERE t.id = m.legacy_transaction_id);

SELECT 'number occurs more than once on one platform' AS violation, min(external_id) AS subject
FROM transactions.orders
WHERE external_id IS NOT NULL
GROUP BY platform_id, external_id
HAVING count(*) > 1;

SELECT 'status check is missing or unproven' AS violation, 'transactions.orders' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint
    WHERE conrelid = to_regclass('transactions.orders') AND conname = 'orders_status_check' AND convalidated
);
