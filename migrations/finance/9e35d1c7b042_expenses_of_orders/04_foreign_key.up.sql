-- 04_foreign_key.up.sql of "finance: expenses refer to orders"                              phase: EXPAND
-- Why: an expense of an order that is gone would be lost in every report by platform. Unproven at first, so that neither
-- table is closed while the rows are read.
ALTER TABLE finance.expenses ADD CONSTRAINT expenses_order_id_fkey
    FOREIGN KEY (order_id) REFERENCES transactions.orders (id) ON DELETE RESTRICT NOT VALID;
