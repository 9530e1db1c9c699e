ALTER TABLE transactions.orders DROP CONSTRAINT orders_roi_check;
ALTER TABLE transactions.orders ALTER COLUMN roi TYPE numeric(5,2);
ALTER TABLE transactions.orders ADD CONSTRAINT orders_roi_check CHECK (roi <> 'NaN');
