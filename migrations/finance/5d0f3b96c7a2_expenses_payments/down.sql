DROP TABLE finance.payment_allocations;
DROP TABLE finance.payments;
DROP TABLE finance.expenses;
