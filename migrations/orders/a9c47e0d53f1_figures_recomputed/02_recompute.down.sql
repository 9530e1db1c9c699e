UPDATE transactions.orders AS o
SET gross_profit = b.gross_profit,
    net_profit = b.net_profit,
    roi = b.roi,
    shelf_life_days = b.shelf_life_days,
    updated_at = b.updated_at
FROM transactions.order_figures_before AS b
WHERE b.order_id = o.id AND o.updated_at = b.created_at;
-- They have served; what is recomputed later is kept anew.
DELETE FROM transactions.order_figures_before;
