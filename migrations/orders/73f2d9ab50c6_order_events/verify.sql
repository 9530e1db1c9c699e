-- Append-only for everybody but its owner.
SELECT 'orders_app may change history: ' || privilege AS violation, 'transactions.order_events' AS subject
FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege('orders_app', 'transactions.order_events', privilege);
