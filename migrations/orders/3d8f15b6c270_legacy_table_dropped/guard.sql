SELECT 'archived legacy transactions whose item or platform is gone: the table cannot be made again' AS what, count(*) AS count
FROM transactions.legacy_transactions_archive AS t
WHERE NOT EXISTS (SELECT 1 FROM products.inventory AS i WHERE i.id = t.inventory_id)
    OR NOT EXISTS (SELECT 1 FROM core.platforms AS p WHERE p.id = t.platform_id)
HAVING count(*) > 0;
