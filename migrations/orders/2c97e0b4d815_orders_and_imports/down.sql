DROP TABLE transactions.import_records;
DROP TABLE transactions.import_batches;
DROP TABLE transactions.platform_credentials;
DROP TABLE transactions.orders;
REVOKE USAGE ON SCHEMA transactions FROM finance_owner, finance_app;
