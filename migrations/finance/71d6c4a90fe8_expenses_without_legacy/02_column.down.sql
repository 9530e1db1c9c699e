ALTER TABLE finance.expenses
    ADD COLUMN transaction_id uuid
        CONSTRAINT expenses_transaction_id_fkey REFERENCES transactions.transactions (id) ON DELETE RESTRICT;
COMMENT ON COLUMN finance.expenses.transaction_id IS 'Legacy sale that caused the expense; becomes order_id in v2.2.3.';
UPDATE finance.expenses AS e
SET transaction_id = m.legacy_transaction_id
FROM transactions.legacy_order_map AS m
WHERE m.order_id = e.order_id;
CREATE INDEX expenses_transaction_id_idx ON finance.expenses (transaction_id);
