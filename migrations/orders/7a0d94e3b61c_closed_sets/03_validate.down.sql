-- A constraint cannot be made unproven in place: it is replaced by the one that the steps before left.
ALTER TABLE transactions.import_records
    DROP CONSTRAINT import_records_status_check,
    ADD CONSTRAINT import_records_status_check CHECK (status IN ('completed', 'quarantined')) NOT VALID;
ALTER TABLE transactions.orders
    DROP CONSTRAINT orders_inventory_type_check,
    ADD CONSTRAINT orders_inventory_type_check CHECK (inventory_type IN ('STANDARD', 'FLEX', 'DFS', 'DIRECT')) NOT VALID;
