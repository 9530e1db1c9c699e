-- 02_payment_method.up.sql of "Card data removed"                                           phase: EXPAND
-- Why: what a purchase needs is a token of the payment provider; people recognise the method by brand and last digits.
ALTER TABLE finance.supplier_accounts
    ADD COLUMN payment_provider varchar(50),
    ADD COLUMN payment_method_token varchar(255),
    ADD COLUMN payment_method_last4 varchar(4),
    ADD COLUMN payment_method_brand varchar(20);
ALTER TABLE finance.supplier_accounts
    ADD CONSTRAINT supplier_accounts_payment_method_last4_check CHECK (payment_method_last4 ~ '^[0-9]{4}$') NOT VALID;
COMMENT ON COLUMN finance.supplier_accounts.payment_provider IS 'Who keeps the payment method: stripe, paypal, ...';
COMMENT ON COLUMN finance.supplier_accounts.payment_method_token IS
    'Opaque token of the provider, accepted from nobody else. Never returned by any API.';
COMMENT ON COLUMN finance.supplier_accounts.payment_method_last4 IS 'Last four digits as the provider gives them, for display only.';
COMMENT ON COLUMN finance.supplier_accounts.payment_method_brand IS 'Brand of the card as the provider gives it, for display only.';
