-- 01_trigger.up.sql of "finance: expenses let go of legacy sales"                         phase: CONTRACT
-- Why: only builds that know orders are left.
DROP TRIGGER expenses_follow ON finance.expenses;
DROP FUNCTION finance.expenses_follow();
