ALTER TABLE finance.supplier_accounts
    DROP COLUMN payment_method_brand,
    DROP COLUMN payment_method_last4,
    DROP COLUMN payment_method_token,
    DROP COLUMN payment_provider;
