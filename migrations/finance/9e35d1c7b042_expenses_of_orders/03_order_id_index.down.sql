DROP INDEX CONCURRENTLY finance.expenses_order_id_idx;
