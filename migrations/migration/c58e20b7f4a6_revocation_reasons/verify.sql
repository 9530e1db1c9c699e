SELECT 'reason check is missing or unproven' AS violation, 'auth.revoked_tokens' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint
    WHERE conrelid = to_regclass('auth.revoked_tokens') AND conname = 'revoked_tokens_reason_check' AND convalidated
);
