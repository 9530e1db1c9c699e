DROP TABLE finance.signing_keys;
DROP TABLE finance.request_results;
DROP TABLE finance.inbox;
DROP TABLE finance.outbox;
REVOKE USAGE ON SCHEMA finance, analytics FROM finance_app;
