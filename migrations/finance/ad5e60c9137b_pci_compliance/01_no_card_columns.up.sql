-- 01_no_card_columns.up.sql of "Card data removed"                                          phase: EXPAND
-- Why: the original chain created two encrypted card columns and dropped them here. This chain never created them; the
-- step proves that nobody else did. A dropped column could still be in backups, so a find is a matter for people.
DO $$
DECLARE
    found text;
BEGIN
    SELECT string_agg(format('%s.%s', a.attrelid::regclass, a.attname), ', ' ORDER BY a.attrelid::regclass::text, a.attname)
    INTO found
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'finance'
        AND c.relkind IN ('r', 'p')
        AND a.attnum > 0
        AND NOT a.attisdropped
        AND a.attname ~* '(^|_)(cc|card)_?(num|number|no|pan)(_|$)|(^|_)(cvv2?|cvc2?|cvn|csc|pan)(_|$)|security_code|verification_code';
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'card data columns exist: %', found
            USING ERRCODE = 'integrity_constraint_violation',
                HINT = 'Full card numbers and verification codes may not be stored in any form. Remove them and their backups.';
    END IF;
END
$$;
