-- Rows with a legacy sale and without its order.
SELECT 'linked' AS check_id, '0' AS expected, count(*)::text AS actual
FROM finance.expenses
WHERE transaction_id IS NOT NULL AND order_id IS NULL;
