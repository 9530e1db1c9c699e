-- 01_order_id.up.sql of "finance: expenses refer to orders"                                 phase: EXPAND
-- Why: the legacy table goes; every one of its sales is an order now.
ALTER TABLE finance.expenses ADD COLUMN order_id uuid;
COMMENT ON COLUMN finance.expenses.order_id IS 'Order that caused the expense; NULL: no single order.';
