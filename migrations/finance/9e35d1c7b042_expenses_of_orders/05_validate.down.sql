-- A constraint cannot be made unproven in place: it is replaced by the one that the step before left.
ALTER TABLE finance.expenses DROP CONSTRAINT expenses_order_id_fkey;
ALTER TABLE finance.expenses ADD CONSTRAINT expenses_order_id_fkey
    FOREIGN KEY (order_id) REFERENCES transactions.orders (id) ON DELETE RESTRICT NOT VALID;
