SELECT 'outbox events' AS what, count(*) AS count FROM transactions.outbox HAVING count(*) > 0;
SELECT 'applied event ids (events could be applied twice)' AS what, count(*) AS count
FROM transactions.inbox HAVING count(*) > 0;
SELECT 'kept answers of requests (a repeated request would take effect again)' AS what, count(*) AS count
FROM transactions.request_results HAVING count(*) > 0;
SELECT 'keys of page tokens' AS what, count(*) AS count FROM transactions.signing_keys HAVING count(*) > 0;
