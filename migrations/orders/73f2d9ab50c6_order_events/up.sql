-- up.sql of "orders: order events"                                                          phase: EXPAND
-- Why: an order shows its present state only; when it was returned and which payout settled it must stay known.
CREATE TABLE transactions.order_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES transactions.orders (id) ON DELETE RESTRICT,
    kind text NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 100),
    from_status text,
    to_status text,
    at timestamptz NOT NULL DEFAULT now(),
    reference text,
    actor text,
    request_id uuid,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX order_events_order_id_id_idx ON transactions.order_events (order_id, id);
COMMENT ON TABLE transactions.order_events IS 'What happened to an order, in order of id. Rows are never changed.';
COMMENT ON COLUMN transactions.order_events.kind IS 'What happened, such as created, status_changed, payout_recorded.';
COMMENT ON COLUMN transactions.order_events.from_status IS 'NULL unless the status changed.';
COMMENT ON COLUMN transactions.order_events.to_status IS 'NULL unless the status changed.';
COMMENT ON COLUMN transactions.order_events.at IS 'When it happened; for a return the period to which it counts.';
COMMENT ON COLUMN transactions.order_events.reference IS 'Reference of the outside world, such as that of a payout.';
COMMENT ON COLUMN transactions.order_events.actor IS 'Who did it: a user or a service.';
COMMENT ON COLUMN transactions.order_events.request_id IS 'Request that caused it.';

GRANT SELECT, INSERT ON transactions.order_events TO orders_app;
-- Profit and loss counts a return in the period in which it happened.
GRANT SELECT ON transactions.order_events TO finance_owner, finance_app;
