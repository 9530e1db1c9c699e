-- An event is either delivered or given up, never both.
SELECT 'outbox event is both delivered and dead' AS violation, event_id::text AS subject
FROM core.outbox
WHERE delivered_at IS NOT NULL AND dead_at IS NOT NULL;

-- The service must be able to work with its own plumbing.
SELECT 'catalog_app lacks ' || privilege AS violation, relation AS subject
FROM unnest(ARRAY['core.outbox', 'core.inbox', 'core.request_results', 'core.signing_keys']) AS relation,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
WHERE NOT has_table_privilege('catalog_app', relation, privilege);
