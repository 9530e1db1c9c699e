SELECT 'items with delivery date or purchase VAT' AS what, count(*) AS count
FROM products.inventory
WHERE delivery_date IS NOT NULL OR gross_purchase_price IS NOT NULL OR vat_amount IS NOT NULL OR vat_rate IS NOT NULL
HAVING count(*) > 0;
