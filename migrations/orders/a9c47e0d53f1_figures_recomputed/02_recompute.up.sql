-- 02_recompute.up.sql of "orders: profit, ROI and shelf life recomputed"                   phase: MIGRATE
-- Why: net_profit of migrated orders was 0.00 or the payout, so that no sum of it meant anything. As the service does
-- it, the return is computed from the gross price and the VAT rate where the net price is what they give, else from the
-- net price. An order that was sold before it was bought, or whose return does not fit, keeps what it has.
WITH computed AS (
    SELECT
        o.id,
        o.gross_profit,
        o.net_profit,
        o.roi,
        o.shelf_life_days,
        o.updated_at,
        o.gross_sale - i.purchase_price AS new_gross_profit,
        o.net_proceeds - i.purchase_price AS new_net_profit,
        CASE
            WHEN i.purchase_price <> round(i.gross_purchase_price * 100 / (100 + i.vat_rate), 2)
                OR i.gross_purchase_price IS NULL OR i.vat_rate IS NULL
                THEN round((o.net_proceeds - i.purchase_price) * 100 / i.purchase_price, 2)
            ELSE round((o.net_proceeds * (100 + i.vat_rate) - i.gross_purchase_price * 100) / i.gross_purchase_price, 2)
        END AS new_roi,
        (o.sold_at AT TIME ZONE 'UTC')::date - (i.purchase_date AT TIME ZONE 'UTC')::date AS new_shelf_life_days
    FROM transactions.orders AS o
    JOIN products.inventory AS i ON i.id = o.inventory_item_id
    WHERE o.id BETWEEN :lo AND :hi
        AND i.purchase_price > 0
        AND coalesce(o.currency_code, 'EUR') = 'EUR'
    FOR UPDATE OF o
), kept AS (
    INSERT INTO transactions.order_figures_before (order_id, gross_profit, net_profit, roi, shelf_life_days, updated_at)
    SELECT c.id, c.gross_profit, c.net_profit, c.roi, c.shelf_life_days, c.updated_at
    FROM computed AS c
    WHERE coalesce(c.new_shelf_life_days, 0) >= 0
        AND coalesce(abs(c.new_roi), 0) < 10000000
        AND (c.gross_profit, c.net_profit, c.roi, c.shelf_life_days)
            IS DISTINCT FROM (c.new_gross_profit, c.new_net_profit, c.new_roi, c.new_shelf_life_days)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id, created_at
)
UPDATE transactions.orders AS o
SET gross_profit = c.new_gross_profit,
    net_profit = c.new_net_profit,
    roi = c.new_roi,
    shelf_life_days = c.new_shelf_life_days,
    updated_at = k.created_at
FROM kept AS k
JOIN computed AS c ON c.id = k.order_id
WHERE o.id = k.order_id;
