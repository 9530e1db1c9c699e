ALTER TABLE transactions.import_records DROP CONSTRAINT import_records_status_check;
COMMENT ON COLUMN transactions.import_records.status IS NULL;
