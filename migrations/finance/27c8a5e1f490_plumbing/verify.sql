-- An event is either delivered or given up, never both.
SELECT 'outbox event is both delivered and dead' AS violation, event_id::text AS subject
FROM finance.outbox
WHERE delivered_at IS NOT NULL AND dead_at IS NOT NULL;

-- The service must be able to work with its own plumbing.
SELECT 'finance_app lacks ' || privilege AS violation, relation AS subject
FROM unnest(ARRAY['finance.outbox', 'finance.inbox', 'finance.request_results', 'finance.signing_keys']) AS relation,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
WHERE NOT has_table_privilege('finance_app', relation, privilege);
