-- 01_inventory_type.up.sql of "orders: closed sets of values, legacy map read-only"         phase: EXPAND
-- Why: enumerations are text with a CHECK, and this one had none. StockX documents four values; the seller report shows
-- three of them. A check without the fourth would stop an import at a value that its source may send.
ALTER TABLE transactions.orders
    ADD CONSTRAINT orders_inventory_type_check CHECK (inventory_type IN ('STANDARD', 'FLEX', 'DFS', 'DIRECT')) NOT VALID;
COMMENT ON COLUMN transactions.orders.inventory_type IS
    'STANDARD, FLEX, DFS or DIRECT, as StockX names it. NULL: unknown, or another platform.';
COMMENT ON COLUMN transactions.orders.currency_code IS
    'ISO 4217; NULL in migrated rows means EUR. Amounts of different currencies are never added.';
