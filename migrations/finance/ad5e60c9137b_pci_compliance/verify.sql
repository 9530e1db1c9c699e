-- No column of this service may ever be made for a card number or verification code.
SELECT 'column for card data' AS violation, format('%s.%s', a.attrelid::regclass, a.attname) AS subject
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'finance'
    AND c.relkind IN ('r', 'p')
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND a.attname ~* '(^|_)(cc|card)_?(num|number|no|pan)(_|$)|(^|_)(cvv2?|cvc2?|cvn|csc|pan)(_|$)|security_code|verification_code';

-- A token without its provider was made up, not issued; 13 to 19 digits are a card number. The value is not shown.
SELECT 'payment token without provider, or with the digits of a card number' AS violation, id::text AS subject
FROM finance.supplier_accounts
WHERE payment_method_token IS NOT NULL
    AND (payment_provider IS NULL OR regexp_replace(payment_method_token, '[ -]', '', 'g') ~ '^[0-9]{13,19}$');
