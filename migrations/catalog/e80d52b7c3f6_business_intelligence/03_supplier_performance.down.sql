DROP TABLE core.supplier_performance;
