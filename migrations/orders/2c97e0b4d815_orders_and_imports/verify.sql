-- An import never reports more rows than it read.
SELECT 'import counts more rows than it read' AS violation, id::text AS subject
FROM transactions.import_batches
WHERE status = 'completed' AND (processed_records > total_records OR error_records > total_records);

SELECT 'import ended before it started' AS violation, id::text AS subject
FROM transactions.import_batches
WHERE completed_at < started_at;
