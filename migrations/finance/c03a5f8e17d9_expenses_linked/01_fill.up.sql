-- 01_fill.up.sql of "finance: expenses linked to their orders"                             phase: MIGRATE
-- Why: the link of an expense must outlive the table that it points to. Without the map this would be impossible: order
-- ids were made anew.
UPDATE finance.expenses AS e
SET order_id = m.order_id
FROM transactions.legacy_order_map AS m
WHERE m.legacy_transaction_id = e.transaction_id AND e.order_id IS DISTINCT FROM m.order_id;
