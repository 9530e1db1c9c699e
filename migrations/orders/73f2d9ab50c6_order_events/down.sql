DROP TABLE transactions.order_events;
