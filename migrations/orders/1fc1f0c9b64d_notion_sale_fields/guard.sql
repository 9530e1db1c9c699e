SELECT 'orders with sale time, proceeds, profit or payout' AS what, count(*) AS count
FROM transactions.orders
WHERE sold_at IS NOT NULL OR gross_sale IS NOT NULL OR net_proceeds IS NOT NULL OR gross_profit IS NOT NULL
    OR net_profit IS NOT NULL OR roi IS NOT NULL OR payout_received OR payout_date IS NOT NULL
    OR shelf_life_days IS NOT NULL
HAVING count(*) > 0;
