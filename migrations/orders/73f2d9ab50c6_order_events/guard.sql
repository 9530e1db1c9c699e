SELECT 'events of orders' AS what, count(*) AS count FROM transactions.order_events HAVING count(*) > 0;
