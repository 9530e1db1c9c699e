-- Orders with a purchase price whose profit is none.
SELECT 'D-25' AS check_id, '0' AS expected, count(*)::text AS actual
FROM transactions.orders AS o
JOIN products.inventory AS i ON i.id = o.inventory_item_id
JOIN transactions.order_figures_before AS b ON b.order_id = o.id AND b.created_at = o.updated_at
WHERE o.id BETWEEN :lo AND :hi
    AND (o.gross_profit IS DISTINCT FROM o.gross_sale - i.purchase_price
        OR o.net_profit IS DISTINCT FROM o.net_proceeds - i.purchase_price);
