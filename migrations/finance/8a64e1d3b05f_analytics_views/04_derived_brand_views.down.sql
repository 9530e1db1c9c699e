DROP VIEW analytics.nike_product_breakdown;
DROP VIEW analytics.brand_deep_dive_overview;
DROP VIEW analytics.brand_monthly_performance;
