SELECT 'orders that the shape before cannot hold: other platform than StockX, or no StockX number' AS what,
       count(*) AS count
FROM transactions.orders AS o
JOIN core.platforms AS p ON p.id = o.platform_id
WHERE (p.slug <> 'stockx' OR o.stockx_order_number IS NULL)
    AND o.id NOT IN (SELECT m.order_id FROM transactions.legacy_order_map AS m WHERE m.match_kind = 'migrated')
HAVING count(*) > 0;

-- Orders in the map lose nothing here: the undo of the data step, which comes first, removes or restores them.
SELECT 'orders outside the legacy map with external id, fee, shipping, destination or notes' AS what, count(*) AS count
FROM transactions.orders AS o
WHERE o.id NOT IN (SELECT m.order_id FROM transactions.legacy_order_map AS m)
    AND (o.external_id IS NOT NULL OR o.platform_fee IS NOT NULL OR o.shipping_cost IS NOT NULL
        OR o.buyer_destination_country IS NOT NULL OR o.buyer_destination_city IS NOT NULL OR o.notes IS NOT NULL)
HAVING count(*) > 0;
