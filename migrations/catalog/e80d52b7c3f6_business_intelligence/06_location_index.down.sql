DROP INDEX CONCURRENTLY products.inventory_location_idx;
