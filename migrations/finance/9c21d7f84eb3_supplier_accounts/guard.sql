SELECT 'supplier accounts' AS what, count(*) AS count FROM finance.supplier_accounts HAVING count(*) > 0;
SELECT 'purchases of supplier accounts' AS what, count(*) AS count
FROM finance.account_purchase_history HAVING count(*) > 0;
