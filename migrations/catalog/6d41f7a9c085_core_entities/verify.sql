-- Orders and imports find their platform by slug.
SELECT 'platform row is missing' AS violation, slug AS subject
FROM unnest(ARRAY['stockx', 'ebay', 'goat', 'alias', 'grailed']) AS slug
WHERE NOT EXISTS (SELECT 1 FROM core.platforms AS p WHERE p.slug = slug.slug);

-- A percentage, not a fraction: a fee below 1 % that is not 0 has almost certainly the wrong unit.
SELECT 'platform fee looks like a fraction, percent is expected' AS violation, slug AS subject
FROM core.platforms
WHERE fee_percentage > 0 AND fee_percentage < 1;
