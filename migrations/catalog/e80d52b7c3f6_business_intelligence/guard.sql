SELECT 'items with business intelligence values' AS what, count(*) AS count
FROM products.inventory
WHERE shelf_life_days IS NOT NULL OR profit_per_shelf_day IS NOT NULL OR roi_percentage IS NOT NULL
    OR sale_overview IS NOT NULL OR location IS NOT NULL OR listed_stockx OR listed_alias OR listed_local
    OR detailed_status IS NOT NULL
HAVING count(*) > 0;
SELECT 'suppliers with category, VAT rate, return policy or mailbox' AS what, count(*) AS count
FROM core.suppliers
WHERE supplier_category IS NOT NULL OR vat_rate IS NOT NULL OR return_policy IS NOT NULL OR default_email IS NOT NULL
HAVING count(*) > 0;
SELECT 'monthly supplier figures' AS what, count(*) AS count FROM core.supplier_performance HAVING count(*) > 0;
