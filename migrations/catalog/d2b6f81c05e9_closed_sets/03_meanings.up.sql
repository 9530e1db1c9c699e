-- 03_meanings.up.sql of "catalog: inventory types of listings, meanings of columns"         phase: EXPAND
-- Why: these columns are read by other owners and by people; their names alone do not tell a display name from a key, or a
-- contact of the supplier from the mailbox that orders use.
COMMENT ON COLUMN core.platforms.name IS 'Display name; unique. The key is slug.';
COMMENT ON COLUMN core.suppliers.email IS 'Contact of the supplier. Mail about orders goes to default_email.';
COMMENT ON COLUMN core.suppliers.phone IS 'Contact of the supplier.';
COMMENT ON COLUMN core.suppliers.website IS 'Contact of the supplier.';
COMMENT ON COLUMN core.system_config.key IS
    'Name of the secret. Known: stockx_client_id, stockx_client_secret, stockx_refresh_token, stockx_api_key.';
