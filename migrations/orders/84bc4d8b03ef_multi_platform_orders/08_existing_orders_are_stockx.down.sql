-- The values go with the column in the undo of the first step. An order of another platform that arrived while the undo
-- was under way would then silently become a StockX order: it stops here instead.
DO $$
DECLARE
    others bigint;
BEGIN
    SELECT count(*) INTO others
    FROM transactions.orders AS o
    JOIN core.platforms AS p ON p.id = o.platform_id
    WHERE p.slug <> 'stockx' OR o.stockx_order_number IS NULL;
    IF others > 0 THEN
        RAISE EXCEPTION '% orders cannot be held by the shape before: other platform than StockX, or no StockX number', others
            USING HINT = 'Stop the writers, upgrade again and repeat the downgrade with --archive.';
    END IF;
END
$$;
