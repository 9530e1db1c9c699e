SELECT 'personal data is not marked as such' AS violation, 'finance.supplier_accounts.' || expected AS subject
FROM unnest(ARRAY['email', 'first_name', 'last_name', 'address_line_1', 'address_line_2', 'city', 'zip_code', 'state_code',
    'country_code', 'phone_number']) AS expected
WHERE NOT EXISTS (
    SELECT 1
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = to_regclass('finance.supplier_accounts') AND a.attname = expected
        AND strpos(col_description(a.attrelid, a.attnum), 'Personal data') > 0
);
