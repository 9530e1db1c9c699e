SELECT 'legacy transactions' AS what, count(*) AS count FROM transactions.transactions HAVING count(*) > 0;
