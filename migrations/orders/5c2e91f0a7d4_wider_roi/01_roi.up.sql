-- 01_roi.up.sql of "orders: wider ROI, legacy map readable by finance"                      phase: EXPAND
-- Why: a cheap find can earn more than ten times its price. The check is made again unproven, because a change of type
-- would prove it at once, reading the whole table while it is closed.
ALTER TABLE transactions.orders DROP CONSTRAINT orders_roi_check;
ALTER TABLE transactions.orders ALTER COLUMN roi TYPE numeric(9,2);
ALTER TABLE transactions.orders ADD CONSTRAINT orders_roi_check CHECK (roi <> 'NaN') NOT VALID;
