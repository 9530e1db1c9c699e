DROP INDEX CONCURRENTLY transactions.idx_orders_sold_at;
