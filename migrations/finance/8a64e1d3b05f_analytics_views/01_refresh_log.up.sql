-- 01_refresh_log.up.sql of "finance: analytics views"                                       phase: EXPAND
-- Why: figures that are not computed on read must say how old they are.
CREATE TABLE analytics.refresh_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    view_name text NOT NULL CHECK (char_length(view_name) BETWEEN 1 AND 100),
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    row_count bigint CHECK (row_count >= 0),
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'failed')),
    error text
);
CREATE INDEX refresh_log_view_name_started_at_idx ON analytics.refresh_log (view_name, started_at DESC);
COMMENT ON TABLE analytics.refresh_log IS 'Refreshes of materialized views.';
COMMENT ON COLUMN analytics.refresh_log.row_count IS 'Rows of the view after the refresh.';
COMMENT ON COLUMN analytics.refresh_log.error IS 'Why it failed; NULL unless status is failed.';
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.refresh_log TO finance_app;
