SELECT 'outbox events' AS what, count(*) AS count FROM finance.outbox HAVING count(*) > 0;
SELECT 'applied event ids (events could be applied twice)' AS what, count(*) AS count
FROM finance.inbox HAVING count(*) > 0;
SELECT 'kept answers of requests (a repeated request would take effect again)' AS what, count(*) AS count
FROM finance.request_results HAVING count(*) > 0;
SELECT 'keys of page tokens' AS what, count(*) AS count FROM finance.signing_keys HAVING count(*) > 0;
