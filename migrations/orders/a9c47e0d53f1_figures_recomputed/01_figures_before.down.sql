DROP TABLE transactions.order_figures_before;
