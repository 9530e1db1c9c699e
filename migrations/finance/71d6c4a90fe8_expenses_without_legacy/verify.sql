SELECT 'foreign key on legacy transactions' AS violation, conname AS subject
FROM pg_catalog.pg_constraint
WHERE confrelid = to_regclass('transactions.transactions');
