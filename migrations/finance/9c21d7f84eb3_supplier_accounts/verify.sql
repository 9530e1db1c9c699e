-- The counters of an account are kept in the transaction of each purchase.
SELECT 'purchase counter of an account differs from its history' AS violation, a.id::text AS subject
FROM finance.supplier_accounts AS a
JOIN finance.account_purchase_history AS h ON h.account_id = a.id
GROUP BY a.id, a.total_purchases
HAVING count(*) > a.total_purchases;

SELECT 'purchase of an account is booked on another supplier' AS violation, h.id::text AS subject
FROM finance.account_purchase_history AS h
JOIN finance.supplier_accounts AS a ON a.id = h.account_id
WHERE h.supplier_id <> a.supplier_id;
