SELECT 'reasons of revoked tokens' AS what, count(*) AS count
FROM auth.revoked_tokens
WHERE reason IS NOT NULL
HAVING count(*) > 0;
