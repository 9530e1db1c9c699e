-- 02_validate.up.sql of "orders: wider ROI, legacy map readable by finance"                 phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_roi_check;
