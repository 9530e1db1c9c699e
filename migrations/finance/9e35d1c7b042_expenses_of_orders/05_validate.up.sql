-- 05_validate.up.sql of "finance: expenses refer to orders"                                 phase: EXPAND
-- Why: a validated key is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE finance.expenses VALIDATE CONSTRAINT expenses_order_id_fkey;
