-- up.sql of "migration: roles, credentials, tokens"                                         phase: EXPAND
-- Why: who may do what, and what was revoked, has to be shared by all replicas and to survive restarts. No administrator
-- with a known password is created: the first one is made by the person who sets the suite up.
GRANT USAGE ON SCHEMA auth TO migration_app;

CREATE TABLE auth.roles (
    name varchar(20) PRIMARY KEY CHECK (name IN ('admin', 'user', 'readonly')),
    description text
);
COMMENT ON TABLE auth.roles IS 'The three roles of users.';
INSERT INTO auth.roles (name, description) VALUES
    ('admin', 'Migrations, users, platforms, secrets of supplier accounts'),
    ('user', 'Reads and writes'),
    ('readonly', 'Reads');

CREATE TABLE auth.user_roles (
    user_id uuid NOT NULL REFERENCES core.users (id) ON DELETE RESTRICT,
    role varchar(20) NOT NULL REFERENCES auth.roles (name) ON DELETE RESTRICT,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, role)
);
COMMENT ON TABLE auth.user_roles IS 'Roles of users. The last admin cannot be removed.';

CREATE TABLE auth.credentials (
    user_id uuid PRIMARY KEY REFERENCES core.users (id) ON DELETE RESTRICT,
    password_hash varchar(255) NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    failed_attempts integer NOT NULL DEFAULT 0 CHECK (failed_attempts >= 0),
    locked_until timestamptz
);
COMMENT ON TABLE auth.credentials IS 'Passwords of users.';
COMMENT ON COLUMN auth.credentials.password_hash IS 'Memory-hard hash with its parameters; never reversible.';
COMMENT ON COLUMN auth.credentials.failed_attempts IS 'Since the last success; 5 lock the account.';
COMMENT ON COLUMN auth.credentials.locked_until IS 'No login before this time.';

CREATE TABLE auth.refresh_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES core.users (id) ON DELETE RESTRICT,
    token_hash bytea NOT NULL UNIQUE,
    issued_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    replaced_by uuid REFERENCES auth.refresh_tokens (id) ON DELETE RESTRICT
);
CREATE INDEX refresh_tokens_user_id_idx ON auth.refresh_tokens (user_id);
COMMENT ON TABLE auth.refresh_tokens IS 'Refresh tokens; each is used once and then replaced.';
COMMENT ON COLUMN auth.refresh_tokens.token_hash IS 'Hash of the token, never the token.';
COMMENT ON COLUMN auth.refresh_tokens.replaced_by IS 'Token that followed; using this one again revokes the whole family.';

CREATE TABLE auth.revoked_tokens (
    token_id uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_expires_at_idx ON auth.revoked_tokens (expires_at);
COMMENT ON TABLE auth.revoked_tokens IS 'Access tokens that are refused although they have not expired.';
COMMENT ON COLUMN auth.revoked_tokens.token_id IS 'Claim jti of the token.';
COMMENT ON COLUMN auth.revoked_tokens.expires_at IS 'The row may be removed after this time.';

GRANT SELECT, INSERT, UPDATE, DELETE
    ON auth.roles, auth.user_roles, auth.credentials, auth.refresh_tokens, auth.revoked_tokens TO migration_app;
