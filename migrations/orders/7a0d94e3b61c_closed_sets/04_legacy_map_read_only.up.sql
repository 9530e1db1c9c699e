-- 04_legacy_map_read_only.up.sql of "orders: closed sets of values, legacy map read-only"   phase: EXPAND
-- Why: only the data step writes the map, under its owner's role. The undo of that step deletes and restores orders by
-- what the map says and its guard believes it: no bug of the service may be able to change it.
REVOKE INSERT, UPDATE, DELETE ON transactions.legacy_order_map FROM orders_app;
