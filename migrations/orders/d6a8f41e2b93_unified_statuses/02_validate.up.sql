-- 02_validate.up.sql of "orders: unified statuses, legacy table read-only"                  phase: CONTRACT
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_status_check;
