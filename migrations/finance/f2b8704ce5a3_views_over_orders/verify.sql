SELECT 'view reads legacy transactions' AS violation, c.oid::regclass::text AS subject
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = c.oid
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
WHERE c.relnamespace = to_regnamespace('analytics')
    AND d.refclassid = 'pg_catalog.pg_class'::regclass
    AND d.refobjid = to_regclass('transactions.transactions');
