REVOKE SELECT ON transactions.legacy_order_map FROM finance_owner, finance_app;
