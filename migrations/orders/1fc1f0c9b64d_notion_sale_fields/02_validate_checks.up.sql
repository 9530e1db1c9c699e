-- 02_validate_checks.up.sql of "Notion sale fields"                                         phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_gross_sale_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_net_proceeds_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_gross_profit_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_net_profit_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_roi_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_payout_date_payout_received_check;
ALTER TABLE transactions.orders VALIDATE CONSTRAINT orders_shelf_life_days_check;
