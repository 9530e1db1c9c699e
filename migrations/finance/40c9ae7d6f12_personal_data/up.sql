-- up.sql of "finance: personal data of supplier accounts is marked"                         phase: EXPAND
-- Why: the table says that it holds personal data, but not where. Exports, logs and masks work by column.
COMMENT ON COLUMN finance.supplier_accounts.email IS 'Login; unique per supplier. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.first_name IS 'First name of the person the account is for. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.last_name IS 'Last name of the person the account is for. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.address_line_1 IS 'Delivery address: street and number. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.address_line_2 IS 'Delivery address: what the first line does not hold. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.city IS 'Delivery address: city. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.zip_code IS 'Delivery address: postal code. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.state_code IS 'Delivery address: code of the state or region. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.country_code IS 'Delivery address: code of the country. Personal data.';
COMMENT ON COLUMN finance.supplier_accounts.phone_number IS 'Phone number of the person the account is for. Personal data.';
