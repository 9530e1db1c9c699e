SELECT 'refreshes in the log' AS what, count(*) AS count FROM analytics.refresh_log HAVING count(*) > 0;
