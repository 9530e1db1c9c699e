-- An event is either delivered or given up, never both.
SELECT 'outbox event is both delivered and dead' AS violation, event_id::text AS subject
FROM transactions.outbox
WHERE delivered_at IS NOT NULL AND dead_at IS NOT NULL;

-- The service must be able to work with its own plumbing.
SELECT 'orders_app lacks ' || privilege AS violation, relation AS subject
FROM unnest(ARRAY['transactions.outbox', 'transactions.inbox', 'transactions.request_results', 'transactions.signing_keys']) AS relation,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
WHERE NOT has_table_privilege('orders_app', relation, privilege);
