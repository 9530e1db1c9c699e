-- 02_payments_foreign_key.up.sql of "Supplier accounts management"                          phase: EXPAND
-- Why: the column is older than the table it refers to. NOT VALID: payments stay open while the foreign key is added.
ALTER TABLE finance.payments
    ADD CONSTRAINT payments_supplier_account_id_fkey
    FOREIGN KEY (supplier_account_id) REFERENCES finance.supplier_accounts (id) ON DELETE RESTRICT NOT VALID;
