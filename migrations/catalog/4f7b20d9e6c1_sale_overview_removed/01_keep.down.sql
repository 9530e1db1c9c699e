DROP TABLE products.inventory_sale_overview;
