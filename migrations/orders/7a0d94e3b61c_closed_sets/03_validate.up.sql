-- 03_validate.up.sql of "orders: closed sets of values, legacy map read-only"               phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_inventory_type_check;
ALTER TABLE transactions.import_records VALIDATE CONSTRAINT import_records_status_check;
