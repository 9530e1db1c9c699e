SELECT 'expenses' AS what, count(*) AS count FROM finance.expenses HAVING count(*) > 0;
SELECT 'payments' AS what, count(*) AS count FROM finance.payments HAVING count(*) > 0;
SELECT 'allocations of payments' AS what, count(*) AS count FROM finance.payment_allocations HAVING count(*) > 0;
