-- Deletes exactly the orders that the step made and restores the kept ones to what they were. The guard reports what
-- was changed since.
LOCK TABLE transactions.orders, transactions.legacy_order_map IN SHARE ROW EXCLUSIVE MODE;

UPDATE transactions.orders AS o
SET external_id = kept.before_image ->> 'external_id',
    status = kept.before_image ->> 'status',
    gross_sale = (kept.before_image ->> 'gross_sale')::numeric,
    platform_fee = (kept.before_image ->> 'platform_fee')::numeric,
    shipping_cost = (kept.before_image ->> 'shipping_cost')::numeric,
    buyer_destination_country = kept.before_image ->> 'buyer_destination_country',
    buyer_destination_city = kept.before_image ->> 'buyer_destination_city',
    notes = kept.before_image ->> 'notes',
    raw_data = nullif(kept.before_image -> 'raw_data', 'null'),
    updated_at = (kept.before_image ->> 'updated_at')::timestamptz
FROM (
    SELECT order_id, before_image FROM transactions.legacy_order_map WHERE match_kind = 'duplicate'
    UNION ALL
    SELECT order_id, before_image FROM transactions.order_before_images
) AS kept
WHERE kept.order_id = o.id;

DELETE FROM transactions.order_events
WHERE order_id IN (SELECT order_id FROM transactions.legacy_order_map WHERE match_kind = 'migrated');

WITH unmapped AS (
    DELETE FROM transactions.legacy_order_map RETURNING order_id, match_kind
)
DELETE FROM transactions.orders
WHERE id IN (SELECT order_id FROM unmapped WHERE match_kind = 'migrated');

DELETE FROM transactions.order_before_images;
