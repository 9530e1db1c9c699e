ALTER TABLE auth.revoked_tokens DROP COLUMN reason;
