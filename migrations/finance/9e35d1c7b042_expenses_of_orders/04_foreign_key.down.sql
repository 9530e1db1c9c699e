ALTER TABLE finance.expenses DROP CONSTRAINT expenses_order_id_fkey;
