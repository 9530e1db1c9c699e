#include "services/migration/engine/run/ledger_schema.h"

#include <string>

#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 1: tables.
//
// The lease is one row whose key contains token and holder. PostgreSQL lets an UPDATE that leaves
// every key column alone pass a FOR KEY SHARE lock and makes one that changes a key column wait for
// it: so heartbeats pass a running step, and a take-over waits for its end.
//
// Rows that every step writes name their run without a foreign key: its check would cost as much as
// the row, and nothing ever deletes a run.
constexpr std::string_view kTables = R"sql(
CREATE TABLE migration.ledger_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE migration.runs (
    run_id uuid PRIMARY KEY,
    started_order bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    kind text NOT NULL,
    target text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'blocked', 'cancelled',
                                         'interrupted')),
    actor text NOT NULL,
    host text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    touched_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    error_reason text NOT NULL DEFAULT '',
    error_message text NOT NULL DEFAULT '',
    steps_total integer NOT NULL DEFAULT 0
);

CREATE TABLE migration.run_events (
    run_id uuid NOT NULL,
    event_offset bigint NOT NULL CHECK (event_offset > 0),
    at timestamptz NOT NULL,
    kind text NOT NULL,
    revision text NOT NULL DEFAULT '',
    step integer NOT NULL DEFAULT 0,
    step_name text NOT NULL DEFAULT '',
    message text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (run_id, event_offset)
);

CREATE TABLE migration.lease (
    id smallint PRIMARY KEY CHECK (id = 1),
    token bigint NOT NULL,
    holder uuid NOT NULL,
    actor text NOT NULL DEFAULT '',
    host text NOT NULL DEFAULT '',
    run_id uuid,
    acquired_at timestamptz,
    heartbeat_at timestamptz,
    expires_at timestamptz NOT NULL,
    CONSTRAINT lease_token_holder_key UNIQUE (token, holder)
);
INSERT INTO migration.lease (id, token, holder, expires_at)
VALUES (1, 0, '00000000-0000-0000-0000-000000000000', '-infinity');

CREATE TABLE migration.runner_sessions (
    pid integer NOT NULL,
    backend_start timestamptz NOT NULL,
    token bigint NOT NULL,
    holder uuid NOT NULL,
    purpose text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pid, backend_start)
);

CREATE TABLE migration.step_intents (
    revision text NOT NULL,
    ordinal integer NOT NULL,
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    statement_number integer NOT NULL,
    statement text NOT NULL,
    token bigint NOT NULL,
    run_id uuid NOT NULL REFERENCES migration.runs,
    backend_pid integer NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (revision, ordinal, direction, statement_number)
);

CREATE TABLE migration.applied_steps (
    revision text NOT NULL,
    ordinal integer NOT NULL,
    service text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL,
    duration_ms bigint NOT NULL,
    run_id uuid NOT NULL,
    PRIMARY KEY (revision, ordinal)
);

CREATE TABLE migration.applied_revisions (
    revision text PRIMARY KEY,
    service text NOT NULL,
    title text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL,
    run_id uuid NOT NULL
);

-- ordinal 0 holds what belongs to the revision as a whole.
CREATE TABLE migration.archived_scripts (
    revision text NOT NULL,
    ordinal integer NOT NULL,
    role text NOT NULL CHECK (role IN ('up', 'down', 'expect', 'verify', 'guard')),
    file text NOT NULL,
    body text NOT NULL,
    sha256 text NOT NULL,
    PRIMARY KEY (revision, ordinal, role)
);

CREATE TABLE migration.step_log (
    log_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL,
    revision text NOT NULL,
    service text NOT NULL,
    ordinal integer NOT NULL,
    name text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    checksum text NOT NULL,
    actor text NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms bigint NOT NULL
);

CREATE TABLE migration.step_failures (
    run_id uuid NOT NULL REFERENCES migration.runs,
    revision text NOT NULL,
    ordinal integer NOT NULL,
    direction text NOT NULL,
    checksum text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (revision, ordinal, direction, run_id)
);

CREATE TABLE migration.amendments (
    amendment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('down_replaced', 'failed_step_mended')),
    revision text NOT NULL,
    ordinal integer NOT NULL,
    old_checksum text NOT NULL,
    new_checksum text NOT NULL,
    old_revision_checksum text NOT NULL DEFAULT '',
    old_body text NOT NULL DEFAULT '',
    new_body text NOT NULL DEFAULT '',
    reason text NOT NULL,
    actor text NOT NULL,
    run_id uuid NOT NULL REFERENCES migration.runs,
    amended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE migration.verification_results (
    result_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL,
    revision text NOT NULL,
    check_id text NOT NULL,
    expected text NOT NULL,
    actual text NOT NULL,
    passed boolean NOT NULL,
    ran_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX verification_results_revision_idx ON migration.verification_results (revision, result_id);

CREATE TABLE migration.archives (
    archive_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES migration.runs,
    revision text NOT NULL,
    ordinal integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('table', 'columns', 'rows')),
    source text NOT NULL,
    schema_name text NOT NULL,
    kept_as text NOT NULL,
    row_count bigint NOT NULL,
    restore_sql text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE migration.instances (
    instance_id text PRIMARY KEY CHECK (char_length(instance_id) BETWEEN 1 AND 100),
    service text NOT NULL,
    build text NOT NULL,
    required_revision text NOT NULL,
    built_for text NOT NULL,
    address text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
)sql";

// Version 3: what came back of an archive, and when.
constexpr std::string_view kRestored = R"sql(
ALTER TABLE migration.archives
    ADD COLUMN IF NOT EXISTS restored_at timestamptz,
    ADD COLUMN IF NOT EXISTS restored_rows bigint,
    ADD COLUMN IF NOT EXISTS restored_by_run uuid;
)sql";

// Version 5: backfills, and what people ask of a run while it works.
constexpr std::string_view kBackfills = R"sql(
CREATE TABLE IF NOT EXISTS migration.backfills (
    revision text NOT NULL,
    ordinal integer NOT NULL,
    service text NOT NULL,
    name text NOT NULL,
    table_name text NOT NULL,
    checksum text NOT NULL,
    undo_sql text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'held', 'verifying', 'finished')),
    reason text NOT NULL DEFAULT '',
    is_frozen boolean NOT NULL DEFAULT false,
    rows_estimated bigint NOT NULL,
    batch_rows integer NOT NULL,
    rows_per_second bigint NOT NULL DEFAULT 0,
    seconds_left bigint,
    held_ms jsonb NOT NULL DEFAULT '{}',
    run_id uuid NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    PRIMARY KEY (revision, ordinal)
);
-- Two that write to the same rows would wait for each other.
CREATE UNIQUE INDEX IF NOT EXISTS backfills_one_of_a_table ON migration.backfills (table_name) WHERE finished_at IS NULL;

-- Keys are JSON arrays of the key columns' texts. next is the first key that is not done, NULL when all are.
CREATE TABLE IF NOT EXISTS migration.backfill_chunks (
    revision text NOT NULL,
    ordinal integer NOT NULL,
    chunk integer NOT NULL,
    lo jsonb NOT NULL,
    hi jsonb NOT NULL,
    next jsonb,
    rows_walked bigint NOT NULL DEFAULT 0,
    rows_changed bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (revision, ordinal, chunk),
    FOREIGN KEY (revision, ordinal) REFERENCES migration.backfills ON DELETE CASCADE
);

ALTER TABLE migration.runs
    ADD COLUMN IF NOT EXISTS control text NOT NULL DEFAULT 'run' CHECK (control IN ('run', 'pause', 'cancel')),
    ADD COLUMN IF NOT EXISTS rows_per_second integer NOT NULL DEFAULT 0 CHECK (rows_per_second >= 0);
)sql";

}  // namespace

const std::vector<std::string_view>& LedgerUpgrades() {
  static const std::vector<std::string_view> upgrades = [] {
    static const std::string version_1 = std::string(kTables) + std::string(LedgerFunctions1());
    return std::vector<std::string_view>{version_1,
                                         LedgerFunctions2(),
                                         kRestored,
                                         LedgerFreezes(),
                                         kBackfills,
                                         LedgerLeases(),
                                         LedgerWebhooks(),
                                         LedgerBuilds(),
                                         LedgerBackups(),
                                         LedgerRepeatables(),
                                         LedgerPlainSteps(),
                                         LedgerProofs(),
                                         LedgerCertificates(),
                                         LedgerChain()};
  }();
  return upgrades;
}

int LedgerVersion() { return static_cast<int>(LedgerUpgrades().size()); }

}  // namespace lockstep::migration
