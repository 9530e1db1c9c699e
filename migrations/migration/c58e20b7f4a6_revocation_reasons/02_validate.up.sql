-- 02_validate.up.sql of "migration: reasons of revoked tokens"                              phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE auth.revoked_tokens VALIDATE CONSTRAINT revoked_tokens_reason_check;
