ALTER TABLE transactions.orders DROP COLUMN platform_id;
