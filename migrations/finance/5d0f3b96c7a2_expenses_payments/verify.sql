-- More cannot be allocated than was paid.
SELECT 'allocations exceed the payment' AS violation, p.id::text AS subject
FROM finance.payments AS p
JOIN finance.payment_allocations AS a ON a.payment_id = p.id
GROUP BY p.id, p.amount
HAVING abs(sum(a.amount)) > abs(p.amount);
