SELECT 'index is missing or was not built to its end' AS violation, 'transactions.' || expected AS subject
FROM unnest(ARRAY['orders_platform_id_status_sold_at_idx', 'orders_sold_at_id_idx',
    'orders_payout_received_sold_at_idx']) AS expected
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS x
    WHERE x.indexrelid = to_regclass('transactions.' || expected) AND x.indisvalid
);
