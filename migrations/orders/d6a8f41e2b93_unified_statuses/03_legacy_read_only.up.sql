-- 03_legacy_read_only.up.sql of "orders: unified statuses, legacy table read-only"          phase: CONTRACT
-- Why: every legacy row has its order now. A row written from here on would have none and be missing in every report.
REVOKE INSERT, UPDATE, DELETE ON transactions.transactions FROM orders_app;
