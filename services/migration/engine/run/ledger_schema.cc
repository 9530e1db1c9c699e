#include "services/migration/engine/run/ledger_schema.h"

#include <string>

namespace lockstep::migration {
namespace {

// Version 1: tables.
//
// The lease is one row whose key contains token and holder. PostgreSQL lets an UPDATE that leaves
// every key column alone pass a FOR KEY SHARE lock and makes one that changes a key column wait for
// it: so heartbeats pass a running step, and a take-over waits for its end.
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
    run_id uuid NOT NULL REFERENCES migration.runs,
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
    run_id uuid NOT NULL REFERENCES migration.runs,
    PRIMARY KEY (revision, ordinal)
);

CREATE TABLE migration.applied_revisions (
    revision text PRIMARY KEY,
    service text NOT NULL,
    title text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL,
    run_id uuid NOT NULL REFERENCES migration.runs
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
    run_id uuid NOT NULL REFERENCES migration.runs,
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
    run_id uuid NOT NULL REFERENCES migration.runs,
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

// Version 1: what the runner and the offline scripts call in the message of the step itself.
// Everything is qualified, so no search_path can redirect it; nobody but the owner has USAGE on the
// schema.
constexpr std::string_view kFunctions = R"sql(
-- Holds off a take-over until the transaction ends; fails when there was one, or when the lease has run out.
CREATE FUNCTION migration.assert_lease(p_token bigint, p_holder uuid) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    PERFORM 1 FROM migration.lease
     WHERE id = 1 AND token = p_token AND holder = p_holder AND expires_at > pg_catalog.clock_timestamp()
       FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'LSL01', MESSAGE = 'the lease of this runner was lost or taken over';
    END IF;
END $f$;

CREATE FUNCTION migration.register_session(p_token bigint, p_holder uuid, p_purpose text) RETURNS void
LANGUAGE plpgsql AS $f$
BEGIN
    PERFORM migration.assert_lease(p_token, p_holder);
    INSERT INTO migration.runner_sessions (pid, backend_start, token, holder, purpose)
    SELECT a.pid, a.backend_start, p_token, p_holder, p_purpose
      FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) AS a;
END $f$;

-- Rows that this session wrote to catalogs which a plain script leaves alone, and removed from pg_class. Only the
-- difference between two calls in one transaction means something.
CREATE FUNCTION migration.catalog_writes() RETURNS text LANGUAGE sql VOLATILE AS $f$
    SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(c) + pg_catalog.pg_stat_get_xact_tuples_updated(c)
                          + pg_catalog.pg_stat_get_xact_tuples_deleted(c))::text
           || ' ' || pg_catalog.pg_stat_get_xact_tuples_deleted('pg_catalog.pg_class'::regclass)
      FROM (VALUES ('pg_catalog.pg_proc'::regclass::oid), ('pg_catalog.pg_namespace'::regclass::oid),
                   ('pg_catalog.pg_operator'::regclass::oid)) AS watched(c)
$f$;

-- The cheap form of the check that a step stayed in its schemas, for scripts whose every effect the parser sees: role
-- and limits are what the engine set, and no lock stronger than a reader's is held outside of the declared schemas. A
-- declared reference may be locked as a foreign key locks it.
CREATE FUNCTION migration.assert_step(p_role text, p_settings text, p_schemas text[], p_references text[])
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_found text;
BEGIN
    IF pg_catalog.current_setting('lockstep.step_state') IS DISTINCT FROM p_role || ' ' || p_settings THEN
        RAISE EXCEPTION USING ERRCODE = 'LST01',
            MESSAGE = 'the step changed its role or limits: "' || pg_catalog.current_setting('lockstep.step_state')
                      || '" instead of "' || p_role || ' ' || p_settings || '"';
    END IF;
    SELECT n.nspname || '.' || c.relname || ' (' || l.mode || ')' INTO v_found
      FROM pg_catalog.pg_lock_status() AS l
      JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
       AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
       AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND n.nspname <> ALL (p_schemas)
       AND NOT (l.mode = 'ShareRowExclusiveLock' AND n.nspname || '.' || c.relname = ANY (p_references))
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'LST01',
            MESSAGE = 'the step touched ' || v_found || ', which its service does not own';
    END IF;
    IF pg_catalog.current_setting('lockstep.catalog_writes') IS DISTINCT FROM migration.catalog_writes() THEN
        RAISE EXCEPTION USING ERRCODE = 'LST02', MESSAGE = 'the cheap check cannot tell what the step changed';
    END IF;
END $f$;

CREATE FUNCTION migration.record_events(p_run uuid, p_events jsonb) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    INSERT INTO migration.run_events (run_id, event_offset, at, kind, revision, step, step_name, message, details)
    SELECT p_run, e.o, coalesce(e.at, pg_catalog.clock_timestamp()), e.kind, coalesce(e.revision, ''),
           coalesce(e.step, 0), coalesce(e.name, ''), e.message, coalesce(e.details, '{}')
      FROM pg_catalog.jsonb_to_recordset(p_events)
        AS e(o bigint, at timestamptz, kind text, revision text, step integer, name text, message text, details jsonb)
     ORDER BY e.o
        ON CONFLICT (run_id, event_offset) DO NOTHING;
END $f$;

CREATE FUNCTION migration.keep_scripts(p_revision text, p_ordinal integer, p_scripts jsonb) RETURNS void
LANGUAGE plpgsql AS $f$
BEGIN
    INSERT INTO migration.archived_scripts (revision, ordinal, role, file, body, sha256)
    SELECT p_revision, p_ordinal, s.role, s.file, s.body,
           pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(s.body, 'UTF8')), 'hex')
      FROM pg_catalog.jsonb_to_recordset(p_scripts) AS s(role text, file text, body text)
        ON CONFLICT (revision, ordinal, role)
        DO UPDATE SET file = excluded.file, body = excluded.body, sha256 = excluded.sha256;
END $f$;

-- A step is done: its row, its scripts, its line in the log. The duration counts from the start of the transaction, or
-- is given for a step that has none around it.
CREATE FUNCTION migration.record_step(p_run uuid, p_actor text, p_revision text, p_service text, p_ordinal integer,
                                      p_name text, p_kind text, p_checksum text, p_scripts jsonb,
                                      p_duration_ms bigint DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_duration bigint := coalesce(p_duration_ms, (extract(epoch FROM pg_catalog.clock_timestamp()
                                                          - pg_catalog.transaction_timestamp()) * 1000)::bigint);
BEGIN
    INSERT INTO migration.applied_steps (revision, ordinal, service, name, kind, checksum, applied_by, duration_ms,
                                         run_id)
    VALUES (p_revision, p_ordinal, p_service, p_name, p_kind, p_checksum, p_actor, v_duration, p_run);
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    VALUES (p_run, p_revision, p_service, p_ordinal, p_name, 'up', p_checksum, p_actor, v_duration);
    PERFORM migration.keep_scripts(p_revision, p_ordinal, p_scripts);
END $f$;

-- All steps are done.
CREATE FUNCTION migration.record_revision(p_run uuid, p_actor text, p_revision text, p_service text, p_title text,
                                          p_checksum text, p_scripts jsonb)
RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by, run_id)
    VALUES (p_revision, p_service, p_title, p_checksum, p_actor, p_run);
    PERFORM migration.keep_scripts(p_revision, 0, p_scripts);
END $f$;

-- From here on the revision is not applied any more; refused while a live instance needs it. Registration locks the
-- row, so either it sees the row go or this sees the instance.
CREATE FUNCTION migration.begin_undo(p_revision text) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_who text;
BEGIN
    DELETE FROM migration.applied_revisions WHERE revision = p_revision;
    SELECT pg_catalog.string_agg(i.service || ' ' || i.instance_id || ' (' || i.address || ')', ', '
                                 ORDER BY i.service, i.instance_id)
      INTO v_who
      FROM migration.instances AS i
     WHERE i.required_revision = p_revision AND i.expires_at > pg_catalog.clock_timestamp();
    IF v_who IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'LSI01',
            MESSAGE = 'revision ' || p_revision || ' is required by running instances: ' || v_who;
    END IF;
END $f$;

-- A step is undone.
CREATE FUNCTION migration.record_undo(p_run uuid, p_actor text, p_revision text, p_service text, p_ordinal integer,
                                      p_name text, p_checksum text, p_duration_ms bigint DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    DELETE FROM migration.applied_steps WHERE revision = p_revision AND ordinal = p_ordinal;
    DELETE FROM migration.archived_scripts WHERE revision = p_revision AND ordinal = p_ordinal;
    IF NOT EXISTS (SELECT FROM migration.applied_steps WHERE revision = p_revision) THEN
        DELETE FROM migration.archived_scripts WHERE revision = p_revision;
    END IF;
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    VALUES (p_run, p_revision, p_service, p_ordinal, p_name, 'down', p_checksum, p_actor,
            coalesce(p_duration_ms, (extract(epoch FROM pg_catalog.clock_timestamp()
                                             - pg_catalog.transaction_timestamp()) * 1000)::bigint));
END $f$;

-- Results of verifications and expectations, in the order in which they were found.
CREATE FUNCTION migration.record_checks(p_run uuid, p_checks jsonb) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    INSERT INTO migration.verification_results (run_id, revision, check_id, expected, actual, passed)
    SELECT p_run, c.value ->> 'revision', c.value ->> 'check_id', c.value ->> 'expected', c.value ->> 'actual',
           (c.value ->> 'passed')::boolean
      FROM pg_catalog.jsonb_array_elements(p_checks) WITH ORDINALITY AS c(value, position)
     ORDER BY c.position;
END $f$;
)sql";

}  // namespace

const std::vector<std::string_view>& LedgerUpgrades() {
  static const std::vector<std::string_view> upgrades = [] {
    static const std::string version_1 = std::string(kTables) + std::string(kFunctions);
    return std::vector<std::string_view>{version_1};
  }();
  return upgrades;
}

int LedgerVersion() { return static_cast<int>(LedgerUpgrades().size()); }

}  // namespace lockstep::migration
