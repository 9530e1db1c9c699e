SELECT 'archived rows' AS check_id, count(*)::text AS expected,
    (SELECT count(*)::text FROM transactions.legacy_transactions_archive) AS actual
FROM transactions.transactions;

SELECT 'archived revenue' AS check_id, coalesce(sum(sale_price), 0)::text AS expected,
    (SELECT coalesce(sum(sale_price), 0)::text FROM transactions.legacy_transactions_archive) AS actual
FROM transactions.transactions;
