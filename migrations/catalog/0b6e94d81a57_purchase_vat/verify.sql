SELECT 'index is missing or was not built to its end' AS violation, 'products.idx_inventory_delivery_date' AS subject
WHERE NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS x
    WHERE x.indexrelid = to_regclass('products.idx_inventory_delivery_date') AND x.indisvalid
);

-- Gross, net and VAT of one purchase fit together to the cent.
SELECT 'VAT amount is not gross minus net' AS violation, id::text AS subject
FROM products.inventory
WHERE vat_amount <> gross_purchase_price - purchase_price;
