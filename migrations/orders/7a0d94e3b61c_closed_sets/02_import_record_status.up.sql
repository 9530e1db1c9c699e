-- 02_import_record_status.up.sql of "orders: closed sets of values, legacy map read-only"   phase: EXPAND
-- Why: enumerations are text with a CHECK, and this one had none. A step of its own: two busy tables are not closed in
-- one transaction.
ALTER TABLE transactions.import_records
    ADD CONSTRAINT import_records_status_check CHECK (status IN ('completed', 'quarantined')) NOT VALID;
COMMENT ON COLUMN transactions.import_records.status IS
    'completed: an order stands for the row; processed_data says what was done. quarantined: kept apart, with the reasons in '
    'validation_errors.';
