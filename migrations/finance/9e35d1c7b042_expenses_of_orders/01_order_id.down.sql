ALTER TABLE finance.expenses DROP COLUMN order_id;
