#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 14: a history that cannot be edited quietly, and a cheap check that knows of foreign keys
// that go. Every entry of step_log and amendments has a hash over its content and the hash before
// it; whoever keeps the newest one elsewhere notices any change of what was before. One runner
// works at a time, so entries have one order.
constexpr std::string_view kChain = R"sql(
-- scripts: hash over the archived scripts of a step that was applied, or of a revision; they are what an undo will run.
-- content: of a revision that was applied whole, whose row goes when it is undone.
CREATE TABLE IF NOT EXISTS migration.chain (
    entry bigint PRIMARY KEY,
    log_id bigint UNIQUE,
    amendment_id bigint UNIQUE,
    revision text,
    content text,
    scripts text,
    hash bytea NOT NULL,
    CHECK (num_nonnulls(log_id, amendment_id, revision) = 1)
);

-- What an entry says, in one form for good: times as microseconds, whatever the settings of the session are.
CREATE OR REPLACE FUNCTION migration.chain_text(p migration.step_log, p_scripts text) RETURNS text LANGUAGE sql STABLE AS $f$
    SELECT pg_catalog.jsonb_build_array('step', p.run_id, p.revision, p.service, p.ordinal, p.name, p.direction, p.checksum,
        p.actor, (extract(epoch FROM p.finished_at) * 1000000)::bigint, p.duration_ms, p_scripts)::text
$f$;
CREATE OR REPLACE FUNCTION migration.chain_text(p migration.amendments) RETURNS text LANGUAGE sql STABLE AS $f$
    SELECT pg_catalog.jsonb_build_array('amendment', p.kind, p.revision, p.ordinal, p.old_checksum, p.new_checksum,
        p.old_revision_checksum, p.old_body, p.new_body, p.reason, p.actor, p.run_id,
        (extract(epoch FROM p.amended_at) * 1000000)::bigint)::text
$f$;
-- p_down: the undo as it is to count; NULL = as it is.
CREATE OR REPLACE FUNCTION migration.scripts_hash(p_revision text, p_ordinal integer, p_down text DEFAULT NULL)
RETURNS text LANGUAGE sql STABLE AS $f$
    SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.jsonb_object_agg(
        s.role, CASE WHEN s.role = 'down' THEN coalesce(p_down, s.body) ELSE s.body END)::text, 'UTF8')), 'hex')
      FROM migration.archived_scripts AS s WHERE s.revision = p_revision AND s.ordinal = p_ordinal
$f$;

-- "ENTRIES:HASH": where the chain ends.
CREATE OR REPLACE FUNCTION migration.chain_head() RETURNS text LANGUAGE sql STABLE AS $f$
    SELECT coalesce((SELECT c.entry || ':' || pg_catalog.encode(c.hash, 'hex')
                       FROM migration.chain AS c ORDER BY c.entry DESC LIMIT 1), '0:')
$f$;

CREATE OR REPLACE FUNCTION migration.chain_rows(p_log bigint[], p_amendments bigint[], p_scripts text[], p_texts text[])
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_entry bigint;
    v_hash bytea;
    v_hashes bytea[] := '{}';
BEGIN
    SELECT c.entry, c.hash INTO v_entry, v_hash FROM migration.chain AS c ORDER BY c.entry DESC LIMIT 1;
    v_entry := coalesce(v_entry, 0);
    v_hash := coalesce(v_hash, '');
    FOR i IN 1 .. coalesce(pg_catalog.array_length(p_texts, 1), 0) LOOP
        v_hash := pg_catalog.sha256(v_hash || pg_catalog.convert_to(p_texts[i], 'UTF8'));
        v_hashes := v_hashes || v_hash;
    END LOOP;
    INSERT INTO migration.chain (entry, log_id, amendment_id, scripts, hash)
    SELECT v_entry + u.n, u.log_id, u.amendment_id, u.scripts, u.hash
      FROM unnest(p_log, p_amendments, p_scripts, v_hashes) WITH ORDINALITY AS u(log_id, amendment_id, scripts, hash, n);
END $f$;

CREATE OR REPLACE FUNCTION migration.chain_steps() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
    v_log bigint[];
    v_scripts text[];
    v_texts text[];
BEGIN
    SELECT pg_catalog.array_agg(a.log_id ORDER BY a.log_id), pg_catalog.array_agg(s.hash ORDER BY a.log_id),
           pg_catalog.array_agg(migration.chain_text(l, s.hash) ORDER BY a.log_id)
      INTO v_log, v_scripts, v_texts
      FROM added AS a
      JOIN migration.step_log AS l ON l.log_id = a.log_id
      LEFT JOIN LATERAL (SELECT migration.scripts_hash(a.revision, a.ordinal) AS hash WHERE a.direction = 'up') AS s ON true;
    PERFORM migration.chain_rows(v_log, NULL, v_scripts, v_texts);
    RETURN NULL;
END $f$;
CREATE OR REPLACE FUNCTION migration.chain_amendments() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
    v_ids bigint[];
    v_texts text[];
BEGIN
    SELECT pg_catalog.array_agg(m.amendment_id ORDER BY m.amendment_id),
           pg_catalog.array_agg(migration.chain_text(m) ORDER BY m.amendment_id)
      INTO v_ids, v_texts
      FROM added AS a JOIN migration.amendments AS m ON m.amendment_id = a.amendment_id;
    PERFORM migration.chain_rows(NULL, v_ids, NULL, v_texts);
    RETURN NULL;
END $f$;

-- A revision that is applied whole, with the scripts that belong to all of it: its guard decides about its undo.
CREATE OR REPLACE FUNCTION migration.chain_revisions() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
    v record;
    v_content text;
    v_scripts text;
BEGIN
    FOR v IN SELECT * FROM added AS a ORDER BY a.applied_at, a.revision LOOP
        v_scripts := migration.scripts_hash(v.revision, 0);
        v_content := pg_catalog.jsonb_build_array('revision', v.run_id, v.revision, v.service, v.checksum, v.applied_by,
                         (extract(epoch FROM v.applied_at) * 1000000)::bigint, v_scripts)::text;
        INSERT INTO migration.chain (entry, revision, content, scripts, hash)
        SELECT coalesce(max(c.entry), 0) + 1, v.revision, v_content, v_scripts,
               pg_catalog.sha256(coalesce((SELECT l.hash FROM migration.chain AS l ORDER BY l.entry DESC LIMIT 1), '')
                                 || pg_catalog.convert_to(v_content, 'UTF8'))
          FROM migration.chain AS c;
    END LOOP;
    RETURN NULL;
END $f$;

-- What was recorded before this version comes first; scripts count as they are now.
DO $d$
DECLARE
    v_log bigint[];
    v_scripts text[];
    v_texts text[];
BEGIN
    IF EXISTS (SELECT FROM migration.chain) THEN
        RETURN;
    END IF;
    SELECT pg_catalog.array_agg(m.amendment_id ORDER BY m.amendment_id),
           pg_catalog.array_agg(migration.chain_text(m) ORDER BY m.amendment_id)
      INTO v_log, v_texts FROM migration.amendments AS m;
    PERFORM migration.chain_rows(NULL, v_log, NULL, v_texts);
    SELECT pg_catalog.array_agg(l.log_id ORDER BY l.log_id), pg_catalog.array_agg(s.hash ORDER BY l.log_id),
           pg_catalog.array_agg(migration.chain_text(l, s.hash) ORDER BY l.log_id)
      INTO v_log, v_scripts, v_texts
      FROM migration.step_log AS l
      LEFT JOIN LATERAL (SELECT migration.scripts_hash(l.revision, l.ordinal) AS hash
                          WHERE l.log_id = (SELECT max(o.log_id) FROM migration.step_log AS o
                                             WHERE o.revision = l.revision AND o.ordinal = l.ordinal)
                            AND l.direction = 'up') AS s ON true;
    PERFORM migration.chain_rows(v_log, NULL, v_scripts, v_texts);
END $d$;

DROP TRIGGER IF EXISTS chain ON migration.step_log;
CREATE TRIGGER chain AFTER INSERT ON migration.step_log REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION migration.chain_steps();
DROP TRIGGER IF EXISTS chain ON migration.amendments;
CREATE TRIGGER chain AFTER INSERT ON migration.amendments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION migration.chain_amendments();
DROP TRIGGER IF EXISTS chain ON migration.applied_revisions;
CREATE TRIGGER chain AFTER INSERT ON migration.applied_revisions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION migration.chain_revisions();

-- Follows the chain from its first entry and says what is wrong with it. Of an entry that was changed, removed or put in
-- every later hash is wrong too, so only the first is told; then what is outside of the chain, and scripts that are not
-- those that were recorded.
CREATE OR REPLACE FUNCTION migration.check_chain() RETURNS SETOF text LANGUAGE plpgsql STABLE AS $f$
DECLARE
    v_hash bytea := '';
    v_expected bigint := 0;
    v record;
BEGIN
    FOR v IN
        SELECT c.entry, c.hash,
               CASE WHEN c.content IS NOT NULL THEN c.content WHEN c.log_id IS NULL THEN migration.chain_text(m)
                    ELSE migration.chain_text(l, c.scripts) END AS content,
               CASE WHEN c.content IS NOT NULL THEN 'revision ' || c.revision
                    WHEN c.log_id IS NULL THEN pg_catalog.format('amendment of %s step %s', m.revision, m.ordinal)
                    ELSE pg_catalog.format('%s step %s %s', l.revision, l.ordinal, l.direction) END AS name,
               coalesce(l.log_id::text, m.amendment_id::text, c.content) IS NOT NULL AS is_there
          FROM migration.chain AS c
          LEFT JOIN migration.step_log AS l ON l.log_id = c.log_id
          LEFT JOIN migration.amendments AS m ON m.amendment_id = c.amendment_id
         ORDER BY c.entry
    LOOP
        v_expected := v_expected + 1;
        IF v.entry <> v_expected OR NOT v.is_there THEN
            RETURN NEXT 'entry ' || v_expected || ' was removed';
            EXIT;
        END IF;
        v_hash := pg_catalog.sha256(v_hash || pg_catalog.convert_to(v.content, 'UTF8'));
        IF v_hash <> v.hash THEN
            RETURN NEXT 'entry ' || v_expected || ' (' || v.name || ') was changed';
            EXIT;
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT pg_catalog.format('%s step %s %s was put in past the chain', l.revision, l.ordinal, l.direction)
          FROM migration.step_log AS l
         WHERE NOT EXISTS (SELECT FROM migration.chain AS c WHERE c.log_id = l.log_id)
         ORDER BY l.log_id;
    RETURN QUERY
        SELECT pg_catalog.format('an amendment of %s step %s was put in past the chain', m.revision, m.ordinal)
          FROM migration.amendments AS m
         WHERE NOT EXISTS (SELECT FROM migration.chain AS c WHERE c.amendment_id = m.amendment_id)
         ORDER BY m.amendment_id;
    -- What counts as applied is what the log says.
    RETURN QUERY
        SELECT pg_catalog.format('%s step %s counts as %s, but the log says otherwise', coalesce(s.revision, last.revision),
                                 coalesce(s.ordinal, last.ordinal),
                                 CASE WHEN s.revision IS NULL THEN 'not applied' ELSE 'applied' END)
          FROM migration.applied_steps AS s
          FULL JOIN (SELECT DISTINCT ON (l.revision, l.ordinal) l.revision, l.ordinal, l.direction, l.checksum, c.entry
                       FROM migration.step_log AS l JOIN migration.chain AS c ON c.log_id = l.log_id
                      WHERE l.revision NOT LIKE 'repeatable:%'
                      ORDER BY l.revision, l.ordinal, l.log_id DESC) AS last
            ON last.revision = s.revision AND last.ordinal = s.ordinal
         WHERE (s.revision IS NOT NULL) IS DISTINCT FROM (last.direction IS NOT DISTINCT FROM 'up')
            OR s.checksum <> (SELECT coalesce((SELECT a.new_checksum FROM migration.amendments AS a
                                                 JOIN migration.chain AS c ON c.amendment_id = a.amendment_id
                                                WHERE a.revision = s.revision AND a.ordinal = s.ordinal
                                                  AND a.kind = 'down_replaced' AND c.entry > last.entry
                                                ORDER BY c.entry DESC LIMIT 1), last.checksum))
         ORDER BY 1;
    -- Scripts are those that were recorded, but for undos that an amendment replaced.
    RETURN QUERY
        SELECT pg_catalog.format('the archived scripts of %s step %s are not those that were recorded', s.revision, s.ordinal)
          FROM migration.applied_steps AS s
         CROSS JOIN LATERAL (SELECT c.entry, c.scripts
                               FROM migration.step_log AS l JOIN migration.chain AS c ON c.log_id = l.log_id
                              WHERE l.revision = s.revision AND l.ordinal = s.ordinal AND l.direction = 'up'
                              ORDER BY l.log_id DESC LIMIT 1) AS last
          LEFT JOIN LATERAL (SELECT (pg_catalog.array_agg(a.old_body ORDER BY c.entry))[1] AS first_body,
                                    (pg_catalog.array_agg(a.new_body ORDER BY c.entry DESC))[1] AS last_body
                               FROM migration.amendments AS a JOIN migration.chain AS c ON c.amendment_id = a.amendment_id
                              WHERE a.revision = s.revision AND a.ordinal = s.ordinal AND a.kind = 'down_replaced'
                                AND c.entry > last.entry) AS amended ON true
         WHERE last.scripts IS NOT NULL
           AND (last.scripts IS DISTINCT FROM migration.scripts_hash(s.revision, s.ordinal, amended.first_body)
                OR amended.last_body <> (SELECT d.body FROM migration.archived_scripts AS d
                                          WHERE d.revision = s.revision AND d.ordinal = s.ordinal AND d.role = 'down'))
         ORDER BY s.revision, s.ordinal;
    RETURN QUERY
        SELECT pg_catalog.format('the guard or verification of %s is not the one that was recorded', r.revision)
          FROM migration.applied_revisions AS r
         CROSS JOIN LATERAL (SELECT c.scripts FROM migration.chain AS c WHERE c.revision = r.revision
                              ORDER BY c.entry DESC LIMIT 1) AS last
         WHERE last.scripts IS DISTINCT FROM migration.scripts_hash(r.revision, 0)
         ORDER BY r.revision;
END $f$;

-- The log says where the chain ended when something began or was done; whoever follows it has the head elsewhere.
CREATE OR REPLACE FUNCTION migration.record_events(p_run uuid, p_events jsonb) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_head jsonb := pg_catalog.jsonb_build_object('chain_head', migration.chain_head());
BEGIN
    INSERT INTO migration.run_events (run_id, event_offset, at, kind, revision, step, step_name, message, details)
    SELECT p_run, e.o, coalesce(e.at, pg_catalog.clock_timestamp()), e.kind, coalesce(e.revision, ''),
           coalesce(e.step, 0), coalesce(e.name, ''), e.message,
           CASE WHEN e.kind IN ('run_started', 'run_finished', 'step_finished', 'step_failed', 'revision_finished')
                THEN coalesce(e.details, '{}') || v_head ELSE coalesce(e.details, '{}') END
      FROM pg_catalog.jsonb_to_recordset(p_events)
        AS e(o bigint, at timestamptz, kind text, revision text, step integer, name text, message text, details jsonb)
     ORDER BY e.o
        ON CONFLICT (run_id, event_offset) DO NOTHING;
END $f$;
ALTER TABLE migration.backups ADD COLUMN IF NOT EXISTS chain_head text NOT NULL DEFAULT '';
ALTER TABLE migration.backups ALTER COLUMN chain_head SET DEFAULT migration.chain_head();

-- As before, but the scripts are kept before the entry that says which they are.
CREATE OR REPLACE FUNCTION migration.record_revision(p_run uuid, p_actor text, p_revision text, p_service text, p_title text,
                                                     p_checksum text, p_scripts jsonb)
RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    PERFORM migration.keep_scripts(p_revision, p_scripts);
    INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by, run_id)
    VALUES (p_revision, p_service, p_title, p_checksum, p_actor, p_run);
END $f$;

CREATE OR REPLACE FUNCTION migration.record_step(p_run uuid, p_actor text, p_revision text, p_service text, p_ordinal integer,
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
    PERFORM migration.keep_scripts(p_revision, p_scripts);
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    VALUES (p_run, p_revision, p_service, p_ordinal, p_name, 'up', p_checksum, p_actor, v_duration);
END $f$;

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
    v_ignored := migration.keep_scripts(NULL, p_scripts);
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    SELECT p_run, s.revision, p_service, s.ordinal, s.name, 'up', s.checksum, p_actor,
           ((v_ends[s.place] - v_ends[s.place - 1]) * 1000)::bigint
      FROM pg_catalog.jsonb_to_recordset(p_steps)
        AS s(place integer, revision text, ordinal integer, name text, checksum text)
     ORDER BY s.place;
    INSERT INTO migration.applied_revisions (revision, service, title, checksum, applied_by, run_id)
    SELECT r.revision, p_service, r.title, r.checksum, p_actor, p_run
      FROM pg_catalog.jsonb_to_recordset(p_revisions) AS r(revision text, title text, checksum text);
    v_ignored := migration.record_events(p_run, p_events);
END $f$;

-- As before, but for locks on declared references.
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
     ORDER BY n.name = ANY (p_references)
     LIMIT 1;
    -- Whoever drops a foreign key closes the table that it refers to; the full check sees whether that was all.
    IF FOUND AND pg_catalog.regexp_replace(v_found, ' \([A-Za-z]+\)$', '') = ANY (p_references) THEN
        RAISE EXCEPTION USING ERRCODE = 'LST02', MESSAGE = 'the cheap check cannot tell why the step locked ' || v_found;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'LST01',
            MESSAGE = 'the step touched ' || v_found || ', which its service does not own';
    END IF;
    IF pg_catalog.current_setting('lockstep.catalog_writes') IS DISTINCT FROM migration.catalog_writes() THEN
        RAISE EXCEPTION USING ERRCODE = 'LST02', MESSAGE = 'the cheap check cannot tell what the step changed';
    END IF;
END $f$;
)sql";

}  // namespace

std::string_view LedgerChain() { return kChain; }

}  // namespace lockstep::migration
