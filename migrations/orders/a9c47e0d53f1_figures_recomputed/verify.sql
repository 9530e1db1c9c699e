SELECT 'shelf life below 0' AS violation, id::text AS subject
FROM transactions.orders
WHERE shelf_life_days < 0;
