-- 08_existing_orders_are_stockx.up.sql of "Multi-platform orders"                              phase: EXPAND
-- Why: until now every order was a StockX order. Without that platform nothing may be filled in, and silence would leave
-- orders without a platform: the step stops with the reason.
DO $$
DECLARE
    stockx uuid;
BEGIN
    SELECT id INTO stockx FROM core.platforms WHERE slug = 'stockx';
    IF stockx IS NULL THEN
        RAISE EXCEPTION 'core.platforms has no row with slug "stockx"'
            USING ERRCODE = 'raise_exception',
                DETAIL = (SELECT count(*) || ' orders wait for their platform.' FROM transactions.orders),
                HINT = 'Create the platform with slug "stockx", then run the upgrade again.';
    END IF;
    UPDATE transactions.orders SET platform_id = stockx WHERE platform_id IS NULL;
END
$$;
