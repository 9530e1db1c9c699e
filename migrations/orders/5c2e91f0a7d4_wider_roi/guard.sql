SELECT 'orders with a return beyond 999.99 percent' AS what, count(*) AS count
FROM transactions.orders
WHERE abs(roi) >= 1000
HAVING count(*) > 0;
