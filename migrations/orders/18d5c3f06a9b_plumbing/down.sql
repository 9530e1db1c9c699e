DROP TABLE transactions.signing_keys;
DROP TABLE transactions.request_results;
DROP TABLE transactions.inbox;
DROP TABLE transactions.outbox;
REVOKE USAGE ON SCHEMA transactions FROM orders_app;
