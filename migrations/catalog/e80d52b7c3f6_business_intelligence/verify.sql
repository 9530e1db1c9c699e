SELECT 'index is missing or was not built to its end' AS violation, expected AS subject
FROM unnest(ARRAY['inventory_shelf_life_days_idx', 'inventory_roi_percentage_idx', 'inventory_location_idx']) AS expected
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS x
    WHERE x.indexrelid = to_regclass('products.' || expected) AND x.indisvalid
);

-- The frozen shelf life belongs to a sale: an item that is on the shelf has none.
SELECT 'item in stock has a frozen shelf life' AS violation, id::text AS subject
FROM products.inventory
WHERE status IN ('in_stock', 'presale', 'preorder') AND shelf_life_days IS NOT NULL;
