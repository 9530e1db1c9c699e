DROP TRIGGER expenses_follow ON finance.expenses;
DROP FUNCTION finance.expenses_follow();
