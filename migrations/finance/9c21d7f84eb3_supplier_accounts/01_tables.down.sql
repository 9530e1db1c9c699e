DROP TABLE finance.account_purchase_history;
DROP TABLE finance.supplier_accounts;
