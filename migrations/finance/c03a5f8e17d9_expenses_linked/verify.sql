SELECT 'expense of a legacy sale has another order than the sale' AS violation, e.id::text AS subject
FROM finance.expenses AS e
LEFT JOIN transactions.legacy_order_map AS m ON m.legacy_transaction_id = e.transaction_id
WHERE e.transaction_id IS NOT NULL AND (m.order_id IS NULL OR e.order_id IS DISTINCT FROM m.order_id);
