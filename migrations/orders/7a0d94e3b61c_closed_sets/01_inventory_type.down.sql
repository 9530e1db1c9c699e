ALTER TABLE transactions.orders DROP CONSTRAINT orders_inventory_type_check;
COMMENT ON COLUMN transactions.orders.currency_code IS 'ISO 4217. Amounts of different currencies are never added.';
COMMENT ON COLUMN transactions.orders.inventory_type IS 'STANDARD, FLEX or DIRECT.';
