ALTER TABLE transactions.orders
    DROP COLUMN notes,
    DROP COLUMN buyer_destination_city,
    DROP COLUMN buyer_destination_country,
    DROP COLUMN shipping_cost,
    DROP COLUMN platform_fee;
