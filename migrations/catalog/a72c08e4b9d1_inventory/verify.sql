-- The view shows every item exactly once.
SELECT 'items and their summaries differ in number' AS violation,
       items.number || ' items, ' || summaries.number || ' summaries' AS subject
FROM (SELECT count(*) AS number FROM products.inventory) AS items,
     (SELECT count(*) AS number FROM products.item_summaries) AS summaries
WHERE items.number <> summaries.number;

-- An active listing offers a unit that is there.
SELECT 'active listing of an item without units' AS violation, l.id::text AS subject
FROM products.listings AS l
JOIN products.inventory AS i ON i.id = l.inventory_item_id
WHERE l.status = 'active' AND i.quantity = 0;

-- No item is held by more orders than it has units.
SELECT 'more orders than units' AS violation, i.id::text AS subject
FROM products.inventory AS i
JOIN products.item_orders AS o ON o.inventory_item_id = i.id
GROUP BY i.id, i.quantity
HAVING count(*) > i.quantity;
