-- 03_order_id_index.up.sql of "finance: expenses refer to orders"                          phase: EXPAND
-- Why: whoever deletes an order asks for its expenses.
CREATE INDEX CONCURRENTLY expenses_order_id_idx ON finance.expenses (order_id);
