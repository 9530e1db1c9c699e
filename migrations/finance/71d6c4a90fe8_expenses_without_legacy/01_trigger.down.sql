CREATE FUNCTION finance.expenses_follow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.order_id IS NULL THEN
            NEW.order_id := (SELECT m.order_id FROM transactions.legacy_order_map AS m
                             WHERE m.legacy_transaction_id = NEW.transaction_id);
        ELSIF NEW.transaction_id IS NULL THEN
            NEW.transaction_id := (SELECT m.legacy_transaction_id FROM transactions.legacy_order_map AS m
                                   WHERE m.order_id = NEW.order_id);
        END IF;
    ELSIF NEW.order_id IS DISTINCT FROM OLD.order_id THEN
        NEW.transaction_id := (SELECT m.legacy_transaction_id FROM transactions.legacy_order_map AS m
                               WHERE m.order_id = NEW.order_id);
    ELSIF NEW.transaction_id IS DISTINCT FROM OLD.transaction_id THEN
        NEW.order_id := (SELECT m.order_id FROM transactions.legacy_order_map AS m
                         WHERE m.legacy_transaction_id = NEW.transaction_id);
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION finance.expenses_follow() IS 'Keeps order_id and transaction_id of finance.expenses in step by the legacy map.';
CREATE TRIGGER expenses_follow BEFORE INSERT OR UPDATE OF order_id, transaction_id ON finance.expenses
    FOR EACH ROW EXECUTE FUNCTION finance.expenses_follow();
-- What was written between the column and the trigger.
UPDATE finance.expenses AS e
SET transaction_id = m.legacy_transaction_id
FROM transactions.legacy_order_map AS m
WHERE m.order_id = e.order_id AND e.transaction_id IS NULL;
