-- Orders with a purchase price whose figures are not those of the formulas: of those that were recomputed and not changed
-- since, and of migrated ones that had nothing to recompute.
SELECT 'D-25' AS check_id, '0' AS expected, count(*)::text AS actual
FROM transactions.orders AS o
JOIN products.inventory AS i ON i.id = o.inventory_item_id
LEFT JOIN transactions.order_figures_before AS b ON b.order_id = o.id
LEFT JOIN transactions.legacy_order_map AS m ON m.order_id = o.id AND m.match_kind = 'migrated'
CROSS JOIN LATERAL (
    SELECT (o.sold_at AT TIME ZONE 'UTC')::date - (i.purchase_date AT TIME ZONE 'UTC')::date AS days,
        CASE
            WHEN i.purchase_price <> round(i.gross_purchase_price * 100 / (100 + i.vat_rate), 2)
                OR i.gross_purchase_price IS NULL OR i.vat_rate IS NULL
                THEN round((o.net_proceeds - i.purchase_price) * 100 / i.purchase_price, 2)
            ELSE round((o.net_proceeds * (100 + i.vat_rate) - i.gross_purchase_price * 100) / i.gross_purchase_price, 2)
        END AS roi
) AS f
WHERE o.id BETWEEN :lo AND :hi
    AND i.purchase_price > 0
    AND coalesce(o.currency_code, 'EUR') = 'EUR'
    AND coalesce(f.days, 0) >= 0
    AND coalesce(abs(f.roi), 0) < 10000000
    AND (b.created_at = o.updated_at OR (b.order_id IS NULL AND m.order_id IS NOT NULL))
    AND (o.gross_profit, o.net_profit, o.roi, o.shelf_life_days)
        IS DISTINCT FROM (o.gross_sale - i.purchase_price, o.net_proceeds - i.purchase_price, f.roi, f.days);
