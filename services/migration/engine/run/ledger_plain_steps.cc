#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 11: several plain steps in one transaction. What a single one cost is then paid once: the
// check that the steps stayed in their schemas, and a statement for each table of the ledger.
// finish_plain_step of version 2 stays for a runner that is at work meanwhile.
constexpr std::string_view kPlainSteps = R"sql(
CREATE OR REPLACE FUNCTION migration.keep_scripts(p_revision text, p_scripts jsonb) RETURNS void
LANGUAGE plpgsql AS $f$
BEGIN
    -- A script may name its own revision, where there are several.
    INSERT INTO migration.archived_scripts (revision, ordinal, role, file, body, sha256)
    SELECT coalesce(s.revision, p_revision), s.ordinal, s.role, s.file, s.body,
           pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(s.body, 'UTF8')), 'hex')
      FROM pg_catalog.jsonb_to_recordset(p_scripts)
        AS s(revision text, ordinal integer, role text, file text, body text)
        ON CONFLICT (revision, ordinal, role)
        DO UPDATE SET file = excluded.file, body = excluded.body, sha256 = excluded.sha256;
END $f$;

-- Steps and revisions of one service, in order. Between two steps their transaction has noted the time, as seconds,
-- in lockstep.step_ends.
CREATE OR REPLACE FUNCTION migration.finish_plain_steps(
    p_role text, p_settings text, p_schemas text[], p_references text[], p_run uuid, p_actor text, p_service text,
    p_steps jsonb, p_revisions jsonb, p_scripts jsonb, p_events jsonb)
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_ignored text;
    -- Of step n of the transaction, from 1; of 0, when it began.
    v_ends double precision[] := pg_catalog.string_to_array(
        pg_catalog.btrim(pg_catalog.current_setting('lockstep.step_ends', true)), ' ');
BEGIN
    v_ends := v_ends || extract(epoch FROM pg_catalog.clock_timestamp())::double precision;
    v_ends[0] := extract(epoch FROM pg_catalog.transaction_timestamp());
    v_ignored := migration.assert_step(p_role, p_settings, p_schemas, p_references);
    INSERT INTO migration.applied_steps (revision, ordinal, service, name, kind, checksum, applied_by, duration_ms,
                                         run_id)
    SELECT s.revision, s.ordinal, p_service, s.name, 'transactional', s.checksum, p_actor,
           ((v_ends[s.place] - v_ends[s.place - 1]) * 1000)::bigint, p_run
      FROM pg_catalog.jsonb_to_recordset(p_steps)
        AS s(place integer, revision text, ordinal integer, name text, checksum text);
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    SELECT p_run, s.revision, p_service, s.ordinal, s.name, 'up', s.checksum, p_actor,
           ((v_ends[s.place] - v_ends[s.place - 1]) * 1000)::bigint
      FROM pg_catalog.jsonb_to_recordset(p_steps)
        AS s(place integer, revision text, ordinal integer, name text, checksum text)
     ORDER BY s.place;
    INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by, run_id)
    SELECT r.revision, p_service, r.title, r.checksum, p_actor, p_run
      FROM pg_catalog.jsonb_to_recordset(p_revisions) AS r(revision text, title text, checksum text);
    v_ignored := migration.keep_scripts(NULL, p_scripts);
    v_ignored := migration.record_events(p_run, p_events);
END $f$;
)sql";

}  // namespace

std::string_view LedgerPlainSteps() { return kPlainSteps; }

}  // namespace lockstep::migration
