SELECT 'role is missing' AS violation, expected AS subject
FROM unnest(ARRAY['admin', 'user', 'readonly']) AS expected
WHERE NOT EXISTS (SELECT 1 FROM auth.roles AS r WHERE r.name = expected);

-- A password hash names its method; anything else is a plain password or a broken hash.
SELECT 'credential is not a password hash' AS violation, user_id::text AS subject
FROM auth.credentials
WHERE password_hash !~ '^[$](argon2id|scrypt|2[aby])[$]';
