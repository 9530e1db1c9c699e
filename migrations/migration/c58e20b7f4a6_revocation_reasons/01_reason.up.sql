-- 01_reason.up.sql of "migration: reasons of revoked tokens"                                phase: EXPAND
-- Why: a list of refused tokens that does not say why leaves whoever asks about one to guess. The check starts NOT VALID:
-- every request looks into this table, so it may not be closed for a scan.
ALTER TABLE auth.revoked_tokens ADD COLUMN reason text;
ALTER TABLE auth.revoked_tokens
    ADD CONSTRAINT revoked_tokens_reason_check CHECK (char_length(reason) BETWEEN 1 AND 200) NOT VALID;
COMMENT ON COLUMN auth.revoked_tokens.reason IS
    'Why the token is refused, in at most 200 characters. NULL: revoked before reasons were kept.';
