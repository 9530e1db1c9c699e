-- The trigger would clear transaction_id along with it.
ALTER TABLE finance.expenses DISABLE TRIGGER expenses_follow;
UPDATE finance.expenses SET order_id = NULL WHERE order_id IS NOT NULL AND transaction_id IS NOT NULL;
ALTER TABLE finance.expenses ENABLE TRIGGER expenses_follow;
