DROP VIEW analytics.brand_performance;
DROP VIEW analytics.brand_collaboration_performance;
DROP VIEW analytics.brand_market_position;
DROP VIEW analytics.top_products_revenue;
DROP VIEW analytics.top_products;
