-- 03_validate.up.sql of "Supplier accounts management"                                      phase: EXPAND
-- Why: a validated foreign key is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE finance.payments VALIDATE CONSTRAINT payments_supplier_account_id_fkey;
