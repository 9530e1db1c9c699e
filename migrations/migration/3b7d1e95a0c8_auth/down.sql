DROP TABLE auth.revoked_tokens;
DROP TABLE auth.refresh_tokens;
DROP TABLE auth.credentials;
DROP TABLE auth.user_roles;
DROP TABLE auth.roles;
REVOKE USAGE ON SCHEMA auth FROM migration_app;
