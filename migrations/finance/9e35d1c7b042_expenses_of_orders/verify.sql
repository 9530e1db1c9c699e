SELECT 'foreign key is missing or unproven' AS violation, 'expenses_order_id_fkey' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_constraint
    WHERE conrelid = to_regclass('finance.expenses') AND conname = 'expenses_order_id_fkey' AND convalidated
);

SELECT 'index is missing or was not built to its end' AS violation, 'finance.expenses_order_id_idx' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS x
    WHERE x.indexrelid = to_regclass('finance.expenses_order_id_idx') AND x.indisvalid
);
