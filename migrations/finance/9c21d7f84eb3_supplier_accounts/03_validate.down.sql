-- A constraint cannot be made unproven in place: it is replaced by the one that the step before left.
ALTER TABLE finance.payments
    DROP CONSTRAINT payments_supplier_account_id_fkey,
    ADD CONSTRAINT payments_supplier_account_id_fkey
        FOREIGN KEY (supplier_account_id) REFERENCES finance.supplier_accounts (id) ON DELETE RESTRICT NOT VALID;
