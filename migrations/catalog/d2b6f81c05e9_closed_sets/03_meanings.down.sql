COMMENT ON COLUMN core.system_config.key IS NULL;
COMMENT ON COLUMN core.suppliers.website IS NULL;
COMMENT ON COLUMN core.suppliers.phone IS NULL;
COMMENT ON COLUMN core.suppliers.email IS NULL;
COMMENT ON COLUMN core.platforms.name IS NULL;
