#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 2: the two functions that every plain step calls cost less. The name of a locked relation
// is looked up once instead of three times, and functions are called as expressions, without a
// query around each.
constexpr std::string_view kFunctions = R"sql(
CREATE OR REPLACE FUNCTION migration.assert_step(p_role text, p_settings text, p_schemas text[], p_references text[])
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_state text;
    v_found text;
BEGIN
    v_state := pg_catalog.concat_ws(' ', pg_catalog.current_setting('lockstep.step_role'),
                                    pg_catalog.current_setting('lock_timeout'),
                                    pg_catalog.current_setting('statement_timeout'),
                                    pg_catalog.current_setting('search_path'),
                                    pg_catalog.current_setting('TimeZone'));
    IF v_state <> p_role || ' ' || p_settings THEN
        RAISE EXCEPTION USING ERRCODE = 'LST01', MESSAGE = 'the step changed its role or limits: "' || v_state
                                                           || '" instead of "' || p_role || ' ' || p_settings || '"';
    END IF;
    -- regclass names what is outside of pg_catalog with its schema, from the caches; a join would read all of pg_class.
    -- OFFSET 0 keeps the look-up in its place: once for each strong lock of this session.
    SELECT n.name || ' (' || l.mode || ')' INTO v_found
      FROM pg_catalog.pg_lock_status() AS l
     CROSS JOIN LATERAL (SELECT l.relation::pg_catalog.regclass::text AS name OFFSET 0) AS n
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
       AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
       AND n.name LIKE '%.%'
       AND pg_catalog.split_part(n.name, '.', 1) <> ALL (p_schemas || '{pg_toast}')
       AND NOT (l.mode = 'ShareRowExclusiveLock' AND n.name = ANY (p_references))
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'LST01',
            MESSAGE = 'the step touched ' || v_found || ', which its service does not own';
    END IF;
    IF pg_catalog.current_setting('lockstep.catalog_writes') IS DISTINCT FROM migration.catalog_writes() THEN
        RAISE EXCEPTION USING ERRCODE = 'LST02', MESSAGE = 'the cheap check cannot tell what the step changed';
    END IF;
END $f$;

-- p_revision_checksum is NULL unless this step completes the revision.
CREATE OR REPLACE FUNCTION migration.finish_plain_step(
    p_role text, p_settings text, p_schemas text[], p_references text[], p_run uuid, p_actor text, p_revision text,
    p_service text, p_ordinal integer, p_name text, p_checksum text, p_scripts jsonb, p_title text,
    p_revision_checksum text, p_events jsonb)
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_ignored text;
    v_duration bigint := (extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp())
                          * 1000)::bigint;
BEGIN
    v_ignored := migration.assert_step(p_role, p_settings, p_schemas, p_references);
    INSERT INTO migration.applied_steps (revision, ordinal, service, name, kind, checksum, applied_by, duration_ms,
                                         run_id)
    VALUES (p_revision, p_ordinal, p_service, p_name, 'transactional', p_checksum, p_actor, v_duration, p_run);
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    VALUES (p_run, p_revision, p_service, p_ordinal, p_name, 'up', p_checksum, p_actor, v_duration);
    IF p_revision_checksum IS NOT NULL THEN
        INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by, run_id)
        VALUES (p_revision, p_service, p_title, p_revision_checksum, p_actor, p_run);
    END IF;
    v_ignored := migration.keep_scripts(p_revision, p_scripts);
    v_ignored := migration.record_events(p_run, p_events);
END $f$;
)sql";

}  // namespace

std::string_view LedgerFunctions2() { return kFunctions; }

}  // namespace lockstep::migration
