SELECT 'extension pg_trgm is not in schema public' AS violation, 'pg_trgm' AS subject
WHERE NOT EXISTS (
    SELECT 1
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_trgm' AND n.nspname = 'public'
);
