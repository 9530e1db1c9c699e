-- 02_column.up.sql of "finance: expenses let go of legacy sales"                          phase: CONTRACT
-- Why: as long as a foreign key refers to the legacy table, it cannot be dropped without CASCADE, which would take along
-- whatever else hangs on it.
ALTER TABLE finance.expenses DROP COLUMN transaction_id;
