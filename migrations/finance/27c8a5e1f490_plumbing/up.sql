-- up.sql of "finance: plumbing tables"                                                         phase: EXPAND
-- Why: events leave with the transaction that causes them, arrive once, and a repeated request gets its first answer;
-- all three need tables in the schema of the service, so they come before any business table.
GRANT USAGE ON SCHEMA finance, analytics TO finance_app;

CREATE TABLE finance.outbox (
    event_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sequence bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    aggregate text NOT NULL CHECK (char_length(aggregate) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 100),
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    dead_at timestamptz,
    last_error text
);
CREATE INDEX outbox_aggregate_sequence_idx ON finance.outbox (aggregate, sequence)
    WHERE delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_next_attempt_at_sequence_idx ON finance.outbox (next_attempt_at, sequence)
    WHERE delivered_at IS NULL AND dead_at IS NULL;
COMMENT ON TABLE finance.outbox IS
    'Events of finance for other services, written in the transaction of the change and delivered at least once.';
COMMENT ON COLUMN finance.outbox.event_id IS 'Sent along; the receiver applies an event id once.';
COMMENT ON COLUMN finance.outbox.sequence IS 'Order of delivery inside one aggregate.';
COMMENT ON COLUMN finance.outbox.aggregate IS 'Resource name whose events keep their order, such as inventoryItems/<uuid>.';
COMMENT ON COLUMN finance.outbox.kind IS 'What happened, such as item_sold.';
COMMENT ON COLUMN finance.outbox.delivered_at IS 'When the receiver acknowledged; NULL until then.';
COMMENT ON COLUMN finance.outbox.attempts IS 'Deliveries tried so far.';
COMMENT ON COLUMN finance.outbox.next_attempt_at IS 'Not tried before this time (backoff).';
COMMENT ON COLUMN finance.outbox.dead_at IS 'When delivery was given up; a person has to look at it.';
COMMENT ON COLUMN finance.outbox.last_error IS 'Status of the last failed delivery.';

CREATE TABLE finance.inbox (
    event_id uuid PRIMARY KEY,
    source text NOT NULL CHECK (char_length(source) BETWEEN 1 AND 100),
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE finance.inbox IS
    'Events of other services that finance applied, each recorded in the transaction of its effect: a repeat changes nothing.';
COMMENT ON COLUMN finance.inbox.source IS 'Service that sent the event.';

CREATE TABLE finance.request_results (
    request_id uuid PRIMARY KEY,
    method text NOT NULL CHECK (char_length(method) BETWEEN 1 AND 200),
    digest bytea NOT NULL,
    response bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX request_results_expires_at_idx ON finance.request_results (expires_at);
COMMENT ON TABLE finance.request_results IS
    'First answer per request_id, kept in the transaction of the change; a repeated request gets it again.';
COMMENT ON COLUMN finance.request_results.method IS 'Full method name of the RPC.';
COMMENT ON COLUMN finance.request_results.digest IS
    'Hash of the request; the same id with another body is refused (REQUEST_ID_REUSED).';
COMMENT ON COLUMN finance.request_results.response IS 'Serialized response message.';
COMMENT ON COLUMN finance.request_results.expires_at IS 'The answer may be removed after this time.';

CREATE TABLE finance.signing_keys (
    id smallint PRIMARY KEY,
    secret bytea NOT NULL CHECK (octet_length(secret) >= 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE finance.signing_keys IS
    'Keys that sign page tokens, shared by all replicas and kept over restarts. The service makes the first one.';
COMMENT ON COLUMN finance.signing_keys.secret IS 'Random key of at least 32 bytes. Never leaves the service.';

GRANT SELECT, INSERT, UPDATE, DELETE
    ON finance.outbox, finance.inbox, finance.request_results, finance.signing_keys TO finance_app;
