#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Repeatable definitions: what is applied now, and every body that ever was, so that a downgrade
// can put back those of its release.
constexpr std::string_view kRepeatables = R"sql(
-- objects: [{"kind", "name", "identity", "definition"}], the definition as the server gave it right after applying.
-- heads: "service@revision" of what was applied completely then.
CREATE TABLE IF NOT EXISTS migration.repeatables (
    service text NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    body text NOT NULL,
    objects jsonb NOT NULL,
    heads text[] NOT NULL,
    is_set_aside boolean NOT NULL DEFAULT false,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL,
    run_id uuid NOT NULL,
    PRIMARY KEY (service, name)
);

-- body is NULL where the definition's file had vanished and its objects were dropped.
CREATE TABLE IF NOT EXISTS migration.repeatable_bodies (
    body_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    body text,
    heads text[] NOT NULL,
    run_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS repeatable_bodies_name_idx ON migration.repeatable_bodies (service, name, body_id);

-- NULL when there is no such view, function or procedure.
CREATE OR REPLACE FUNCTION migration.repeatable_oid(p_kind text, p_identity text) RETURNS oid LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
    IF p_kind = 'view' THEN
        RETURN (SELECT c.oid FROM pg_class AS c WHERE c.oid = to_regclass(p_identity) AND c.relkind = 'v');
    END IF;
    RETURN to_regprocedure(p_identity)::oid;
EXCEPTION WHEN undefined_object OR undefined_table OR undefined_function OR invalid_schema_name
            OR insufficient_privilege THEN
    -- A type of the arguments is gone, and so is the function.
    RETURN NULL;
END $f$;

-- What the server has, in one text; NULL when it has nothing.
CREATE OR REPLACE FUNCTION migration.repeatable_definition(p_kind text, p_identity text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
    v_oid oid := migration.repeatable_oid(p_kind, p_identity);
BEGIN
    IF v_oid IS NULL THEN
        RETURN NULL;
    END IF;
    IF p_kind = 'view' THEN
        RETURN (SELECT coalesce('WITH (' || array_to_string(c.reloptions, ', ') || ')' || chr(10), '')
                       || pg_get_viewdef(c.oid) FROM pg_class AS c WHERE c.oid = v_oid);
    END IF;
    RETURN pg_get_functiondef(v_oid);
END $f$;

CREATE OR REPLACE FUNCTION migration.log_repeatable(p_run uuid, p_actor text, p_service text, p_name text,
                                                    p_what text, p_direction text, p_checksum text)
RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
    INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction, checksum, actor, duration_ms)
    VALUES (p_run, 'repeatable:' || p_service || '/' || p_name, p_service, 1, p_what, p_direction, p_checksum, p_actor,
            (extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp()) * 1000)::bigint);
END $f$;

-- Keeps a body for later downgrades, unless it is the newest one already.
CREATE OR REPLACE FUNCTION migration.keep_repeatable_body(p_run uuid, p_service text, p_name text, p_checksum text,
                                                          p_body text, p_heads text[])
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_last migration.repeatable_bodies;
BEGIN
    SELECT * INTO v_last FROM migration.repeatable_bodies AS b
     WHERE b.service = p_service AND b.name = p_name ORDER BY b.body_id DESC LIMIT 1;
    IF FOUND AND v_last.checksum = p_checksum AND v_last.heads = p_heads
       AND v_last.body IS NOT DISTINCT FROM p_body THEN
        RETURN;
    END IF;
    INSERT INTO migration.repeatable_bodies (service, name, checksum, body, heads, run_id)
    VALUES (p_service, p_name, p_checksum, p_body, p_heads, p_run);
END $f$;

-- A definition is applied. Objects that it had and its text has no more stay listed, until they are dropped.
CREATE OR REPLACE FUNCTION migration.record_repeatable(p_run uuid, p_actor text, p_service text, p_name text,
                                                       p_checksum text, p_body text, p_objects jsonb, p_heads text[])
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_objects jsonb;
BEGIN
    SELECT coalesce(pg_catalog.jsonb_agg(o.value || pg_catalog.jsonb_build_object('definition',
                        migration.repeatable_definition(o.value ->> 'kind', o.value ->> 'identity')) ORDER BY o.n), '[]')
      INTO v_objects
      FROM pg_catalog.jsonb_array_elements(p_objects) WITH ORDINALITY AS o(value, n);
    SELECT v_objects || coalesce(pg_catalog.jsonb_agg(o.value), '[]')
      INTO v_objects
      FROM migration.repeatables AS r, pg_catalog.jsonb_array_elements(r.objects) AS o(value)
     WHERE r.service = p_service AND r.name = p_name
       AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(p_objects) AS n(value)
                        WHERE n.value ->> 'identity' = o.value ->> 'identity')
       AND migration.repeatable_oid(o.value ->> 'kind', o.value ->> 'identity') IS NOT NULL
       -- One that moved to another definition is that one's.
       AND NOT EXISTS (SELECT FROM migration.repeatables AS other,
                                   pg_catalog.jsonb_array_elements(other.objects) AS t(value)
                        WHERE (other.service, other.name) <> (p_service, p_name)
                          AND t.value ->> 'identity' = o.value ->> 'identity');
    INSERT INTO migration.repeatables (service, name, checksum, body, objects, heads, applied_by, run_id)
    VALUES (p_service, p_name, p_checksum, p_body, v_objects, p_heads, p_actor, p_run)
        ON CONFLICT (service, name)
        DO UPDATE SET checksum = excluded.checksum, body = excluded.body, objects = excluded.objects,
                      heads = excluded.heads, is_set_aside = false, applied_at = pg_catalog.clock_timestamp(),
                      applied_by = excluded.applied_by, run_id = excluded.run_id;
    -- The same the other way round: what this one creates now no other one has any more.
    UPDATE migration.repeatables AS other
       SET objects = (SELECT coalesce(pg_catalog.jsonb_agg(t.value), '[]')
                        FROM pg_catalog.jsonb_array_elements(other.objects) AS t(value)
                       WHERE NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(p_objects) AS n(value)
                                          WHERE n.value ->> 'identity' = t.value ->> 'identity'))
     WHERE (other.service, other.name) <> (p_service, p_name)
       AND EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(other.objects) AS t(value),
                               pg_catalog.jsonb_array_elements(p_objects) AS n(value)
                    WHERE n.value ->> 'identity' = t.value ->> 'identity');
    PERFORM migration.keep_repeatable_body(p_run, p_service, p_name, p_checksum, p_body, p_heads);
    PERFORM migration.log_repeatable(p_run, p_actor, p_service, p_name, 'apply', 'up', p_checksum);
END $f$;

-- Objects of it were dropped because its text has them no more; with p_is_vanished the whole definition is gone.
CREATE OR REPLACE FUNCTION migration.drop_repeatable(p_run uuid, p_actor text, p_service text, p_name text,
                                                     p_is_vanished boolean, p_heads text[])
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_checksum text;
BEGIN
    UPDATE migration.repeatables AS r
       SET objects = (SELECT coalesce(pg_catalog.jsonb_agg(o.value), '[]')
                        FROM pg_catalog.jsonb_array_elements(r.objects) AS o(value)
                       WHERE migration.repeatable_oid(o.value ->> 'kind', o.value ->> 'identity') IS NOT NULL)
     WHERE r.service = p_service AND r.name = p_name
    RETURNING r.checksum INTO v_checksum;
    IF p_is_vanished THEN
        DELETE FROM migration.repeatables WHERE service = p_service AND name = p_name;
        PERFORM migration.keep_repeatable_body(p_run, p_service, p_name, v_checksum, NULL, p_heads);
    END IF;
    PERFORM migration.log_repeatable(p_run, p_actor, p_service, p_name, 'drop', 'down', coalesce(v_checksum, ''));
END $f$;

-- A downgrade took it out of the way of its undos.
CREATE OR REPLACE FUNCTION migration.set_aside_repeatable(p_run uuid, p_actor text, p_service text, p_name text)
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_checksum text;
BEGIN
    UPDATE migration.repeatables SET is_set_aside = true WHERE service = p_service AND name = p_name
    RETURNING checksum INTO v_checksum;
    PERFORM migration.log_repeatable(p_run, p_actor, p_service, p_name, 'set_aside', 'down', coalesce(v_checksum, ''));
END $f$;

-- The state that a downgrade led to has no body of it.
CREATE OR REPLACE FUNCTION migration.forget_repeatable(p_run uuid, p_actor text, p_service text, p_name text)
RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_checksum text;
BEGIN
    DELETE FROM migration.repeatables WHERE service = p_service AND name = p_name RETURNING checksum INTO v_checksum;
    PERFORM migration.log_repeatable(p_run, p_actor, p_service, p_name, 'forget', 'down', coalesce(v_checksum, ''));
END $f$;
)sql";

}  // namespace

std::string_view LedgerRepeatables() { return kRepeatables; }

}  // namespace lockstep::migration
