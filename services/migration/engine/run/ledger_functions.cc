#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

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

-- Rows that this session wrote to pg_proc, pg_namespace and pg_operator, which a plain script leaves alone, and removed
-- from pg_class. Only the difference between two calls in one transaction means something. A simple expression, since
-- every step asks twice.
CREATE FUNCTION migration.catalog_writes() RETURNS text LANGUAGE plpgsql AS $f$
BEGIN
    RETURN pg_catalog.pg_stat_get_xact_tuples_inserted(1255) + pg_catalog.pg_stat_get_xact_tuples_updated(1255)
         + pg_catalog.pg_stat_get_xact_tuples_deleted(1255) + pg_catalog.pg_stat_get_xact_tuples_inserted(2615)
         + pg_catalog.pg_stat_get_xact_tuples_updated(2615) + pg_catalog.pg_stat_get_xact_tuples_deleted(2615)
         + pg_catalog.pg_stat_get_xact_tuples_inserted(2617) + pg_catalog.pg_stat_get_xact_tuples_updated(2617)
         + pg_catalog.pg_stat_get_xact_tuples_deleted(2617)
        || ' ' || pg_catalog.pg_stat_get_xact_tuples_deleted(1259);
END $f$;

-- The cheap form of the check that a step stayed in its schemas, for scripts whose every effect the parser sees: role
-- and limits are what the engine set, and no lock stronger than a reader's is held outside of the declared schemas. A
-- declared reference may be locked as a foreign key locks it.
CREATE FUNCTION migration.assert_step(p_role text, p_settings text, p_schemas text[], p_references text[])
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_state text;
    v_found text;
BEGIN
    v_state := pg_catalog.current_setting('lockstep.step_role') || ' ' || pg_catalog.current_setting('lock_timeout')
               || ' ' || pg_catalog.current_setting('statement_timeout')
               || ' ' || pg_catalog.current_setting('search_path') || ' ' || pg_catalog.current_setting('TimeZone');
    IF v_state <> p_role || ' ' || p_settings THEN
        RAISE EXCEPTION USING ERRCODE = 'LST01', MESSAGE = 'the step changed its role or limits: "' || v_state
                                                           || '" instead of "' || p_role || ' ' || p_settings || '"';
    END IF;
    -- regclass names what is outside of pg_catalog with its schema, from the caches; a join would read all of pg_class.
    SELECT l.relation::pg_catalog.regclass::text || ' (' || l.mode || ')' INTO v_found
      FROM pg_catalog.pg_lock_status() AS l
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
       AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
       AND l.relation::pg_catalog.regclass::text LIKE '%.%'
       AND pg_catalog.split_part(l.relation::pg_catalog.regclass::text, '.', 1) <> ALL (p_schemas || '{pg_toast}')
       AND NOT (l.mode = 'ShareRowExclusiveLock' AND l.relation::pg_catalog.regclass::text = ANY (p_references))
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

CREATE FUNCTION migration.keep_scripts(p_revision text, p_scripts jsonb) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    INSERT INTO migration.archived_scripts (revision, ordinal, role, file, body, sha256)
    SELECT p_revision, s.ordinal, s.role, s.file, s.body,
           pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(s.body, 'UTF8')), 'hex')
      FROM pg_catalog.jsonb_to_recordset(p_scripts) AS s(ordinal integer, role text, file text, body text)
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
    PERFORM migration.keep_scripts(p_revision, p_scripts);
END $f$;

-- All steps are done.
CREATE FUNCTION migration.record_revision(p_run uuid, p_actor text, p_revision text, p_service text, p_title text,
                                          p_checksum text, p_scripts jsonb)
RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by, run_id)
    VALUES (p_revision, p_service, p_title, p_checksum, p_actor, p_run);
    PERFORM migration.keep_scripts(p_revision, p_scripts);
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

-- What precedes and what follows the statements of a plain step, as one call each: every statement of a message costs a
-- parse and a plan, and every setting a line in the transaction's undo. Ends in the owner's role.
CREATE FUNCTION migration.begin_plain_step(p_token bigint, p_holder uuid, p_lock_timeout text, p_statement_timeout text,
                                           p_role text)
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_ignored text;
BEGIN
    PERFORM 1 FROM migration.lease
     WHERE id = 1 AND token = p_token AND holder = p_holder AND expires_at > pg_catalog.clock_timestamp()
       FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'LSL01', MESSAGE = 'the lease of this runner was lost or taken over';
    END IF;
    IF pg_catalog.current_setting('lock_timeout') <> p_lock_timeout THEN
        v_ignored := pg_catalog.set_config('lock_timeout', p_lock_timeout, true);
    END IF;
    IF pg_catalog.current_setting('statement_timeout') <> p_statement_timeout THEN
        v_ignored := pg_catalog.set_config('statement_timeout', p_statement_timeout, true);
    END IF;
    IF pg_catalog.current_setting('search_path') <> 'pg_catalog, pg_temp' THEN
        v_ignored := pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    IF pg_catalog.current_setting('TimeZone') <> 'UTC' THEN
        v_ignored := pg_catalog.set_config('TimeZone', 'UTC', true);
    END IF;
    v_ignored := pg_catalog.set_config('lockstep.catalog_writes', migration.catalog_writes(), true);
    v_ignored := pg_catalog.set_config('role', p_role, true);
END $f$;

-- p_revision_checksum is NULL unless this step completes the revision.
CREATE FUNCTION migration.finish_plain_step(p_role text, p_settings text, p_schemas text[], p_references text[],
                                            p_run uuid, p_actor text, p_revision text, p_service text,
                                            p_ordinal integer, p_name text, p_checksum text, p_scripts jsonb,
                                            p_title text, p_revision_checksum text, p_events jsonb)
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_duration bigint := (extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp())
                          * 1000)::bigint;
BEGIN
    PERFORM migration.assert_step(p_role, p_settings, p_schemas, p_references);
    INSERT INTO migration.applied_steps (revision, ordinal, service, name, kind, checksum, applied_by, duration_ms,
                                         run_id)
    VALUES (p_revision, p_ordinal, p_service, p_name, 'transactional', p_checksum, p_actor, v_duration, p_run);
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    VALUES (p_run, p_revision, p_service, p_ordinal, p_name, 'up', p_checksum, p_actor, v_duration);
    IF p_revision_checksum IS NOT NULL THEN
        INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by, run_id)
        VALUES (p_revision, p_service, p_title, p_revision_checksum, p_actor, p_run);
    END IF;
    PERFORM migration.keep_scripts(p_revision, p_scripts);
    PERFORM migration.record_events(p_run, p_events);
END $f$;
)sql";

}  // namespace

std::string_view LedgerFunctions1() { return kFunctions; }

}  // namespace lockstep::migration
