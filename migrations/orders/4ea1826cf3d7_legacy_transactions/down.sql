DROP TABLE transactions.transactions;
