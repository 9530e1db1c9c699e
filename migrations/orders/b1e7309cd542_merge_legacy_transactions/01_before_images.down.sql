DROP TABLE transactions.order_before_images;
