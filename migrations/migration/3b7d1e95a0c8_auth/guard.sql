SELECT 'role assignments' AS what, count(*) AS count FROM auth.user_roles HAVING count(*) > 0;
SELECT 'credentials' AS what, count(*) AS count FROM auth.credentials HAVING count(*) > 0;
SELECT 'refresh tokens' AS what, count(*) AS count FROM auth.refresh_tokens HAVING count(*) > 0;
SELECT 'revoked tokens (they would be accepted again)' AS what, count(*) AS count
FROM auth.revoked_tokens HAVING count(*) > 0;
