#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 7: how far the webhook has come in the log of every run. One row in webhook_state says
// that there is, or was, a webhook: runs that were over before it are no news to anybody. The index
// finds the waits for locks, few among many events, for metrics.
constexpr std::string_view kWebhooks = R"sql(
CREATE TABLE IF NOT EXISTS migration.webhook_state (
    id smallint PRIMARY KEY CHECK (id = 1),
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Runs up to here are told about only if they have a cursor.
    after_order bigint NOT NULL,
    delivered bigint NOT NULL DEFAULT 0,
    undeliverable bigint NOT NULL DEFAULT 0,
    failed_attempts bigint NOT NULL DEFAULT 0
);

-- Every event up to event_offset is delivered, undeliverable, or of a kind that nobody asked for. The attempts are
-- those that failed with the next one.
CREATE TABLE IF NOT EXISTS migration.webhook_cursors (
    run_id uuid PRIMARY KEY,
    event_offset bigint NOT NULL DEFAULT 0 CHECK (event_offset >= 0),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL DEFAULT '-infinity',
    last_error text NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS migration.webhook_undeliverable (
    run_id uuid NOT NULL,
    event_offset bigint NOT NULL,
    kind text NOT NULL,
    attempts integer NOT NULL,
    last_error text NOT NULL,
    given_up_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, event_offset)
);

CREATE INDEX IF NOT EXISTS run_events_step_blocked_idx ON migration.run_events (run_id, event_offset)
 WHERE kind = 'step_blocked';
)sql";

}  // namespace

std::string_view LedgerWebhooks() { return kWebhooks; }

}  // namespace lockstep::migration
