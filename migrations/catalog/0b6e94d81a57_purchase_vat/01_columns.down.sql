ALTER TABLE products.inventory
    DROP COLUMN vat_rate,
    DROP COLUMN vat_amount,
    DROP COLUMN gross_purchase_price,
    DROP COLUMN delivery_date;
