SELECT 'orders' AS what, count(*) AS count FROM transactions.orders HAVING count(*) > 0;
SELECT 'platform credentials' AS what, count(*) AS count FROM transactions.platform_credentials HAVING count(*) > 0;
SELECT 'import records' AS what, count(*) AS count FROM transactions.import_records HAVING count(*) > 0;
SELECT 'import batches' AS what, count(*) AS count FROM transactions.import_batches HAVING count(*) > 0;
