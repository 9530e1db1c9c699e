DROP TABLE core.users;
DROP TABLE core.system_config;
DROP TABLE core.suppliers;
DROP TABLE core.platforms;
REVOKE USAGE ON SCHEMA core FROM orders_owner, orders_app, finance_owner, finance_app, migration_owner;
