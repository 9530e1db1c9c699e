-- A category or brand must not be its own ancestor: every walk up the tree would then run for ever.
WITH RECURSIVE ancestors AS (
    SELECT id AS start_id, parent_id AS ancestor_id FROM products.categories WHERE parent_id IS NOT NULL
    UNION
    SELECT a.start_id, c.parent_id
    FROM ancestors AS a
    JOIN products.categories AS c ON c.id = a.ancestor_id
    WHERE c.parent_id IS NOT NULL
)
SELECT 'category is its own ancestor' AS violation, start_id::text AS subject
FROM ancestors
WHERE start_id = ancestor_id;

SELECT 'brand is its own parent' AS violation, name AS subject
FROM products.brands
WHERE parent_brand_id = id;
