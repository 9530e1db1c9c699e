-- 03_map_for_finance.up.sql of "orders: wider ROI, legacy map readable by finance"          phase: EXPAND
-- Why: order ids are new, so only the map says which order an expense of a legacy sale belongs to.
GRANT SELECT ON transactions.legacy_order_map TO finance_owner, finance_app;
