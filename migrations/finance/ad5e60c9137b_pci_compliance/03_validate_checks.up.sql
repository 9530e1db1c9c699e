-- 03_validate_checks.up.sql of "Card data removed"                                          phase: EXPAND
-- Why: a validated check is proof for all rows; validating alone lets reads and writes go on.
ALTER TABLE finance.supplier_accounts VALIDATE CONSTRAINT supplier_accounts_payment_method_last4_check;
