DROP TABLE analytics.refresh_log;
