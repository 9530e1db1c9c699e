-- 01_status_check.up.sql of "orders: unified statuses, legacy table read-only"              phase: CONTRACT
-- Why: three spellings of "completed" made reports lose rows. The data step before this revision unified them.
ALTER TABLE transactions.orders
    ADD CONSTRAINT orders_status_check CHECK (status IN
        ('pending', 'confirmed', 'shipped', 'authenticating', 'authenticated', 'completed', 'cancelled', 'returned',
         'refunded', 'disputed')) NOT VALID;
COMMENT ON COLUMN transactions.orders.status IS
    'Unified status. pending > confirmed > shipped > authenticating > authenticated > completed; cancelled, returned and '
    'refunded are final.';
