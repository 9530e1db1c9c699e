DROP TABLE core.signing_keys;
DROP TABLE core.request_results;
DROP TABLE core.inbox;
DROP TABLE core.outbox;
REVOKE USAGE ON SCHEMA core, products FROM catalog_app;
