SELECT 'expenses of orders that were no legacy sale' AS what, count(*) AS count
FROM finance.expenses AS e
WHERE e.order_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM transactions.legacy_order_map AS m WHERE m.order_id = e.order_id)
HAVING count(*) > 0;
