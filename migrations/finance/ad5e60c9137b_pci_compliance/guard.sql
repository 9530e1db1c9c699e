SELECT 'supplier accounts stored' AS what, count(*) AS count FROM finance.supplier_accounts HAVING count(*) > 0;
