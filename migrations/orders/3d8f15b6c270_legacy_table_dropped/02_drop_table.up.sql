-- 02_drop_table.up.sql of "orders: legacy table dropped"                                  phase: CONTRACT
-- Why: two tables of sales are two answers to every question.
DROP TABLE transactions.transactions;
