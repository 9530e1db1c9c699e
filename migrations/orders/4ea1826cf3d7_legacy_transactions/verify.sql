-- finance refers to these rows and reports on them.
SELECT 'finance_owner lacks ' || privilege AS violation, 'transactions.transactions' AS subject
FROM unnest(ARRAY['SELECT', 'REFERENCES']) AS privilege
WHERE NOT has_table_privilege('finance_owner', 'transactions.transactions', privilege);
