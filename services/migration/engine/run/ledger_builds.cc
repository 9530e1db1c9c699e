#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Builds, what their instances need, and the gates and soaks of CONTRACT revisions.
//
// A lease counts only in the database cluster in which it was given: in a restored copy nobody
// renews it, and nobody who holds it runs there.
constexpr std::string_view kBuilds = R"sql(
CREATE OR REPLACE FUNCTION migration.system_identifier() RETURNS bigint LANGUAGE sql STABLE AS $f$
    SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c
$f$;

ALTER TABLE migration.instances
    ADD COLUMN IF NOT EXISTS manifest jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS system_identifier bigint;

CREATE TABLE IF NOT EXISTS migration.builds (
    service text NOT NULL,
    build text NOT NULL,
    manifest jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kept_at timestamptz,
    kept_by text NOT NULL DEFAULT '',
    kept_reason text NOT NULL DEFAULT '',
    PRIMARY KEY (service, build),
    CHECK ((kept_at IS NULL) = (kept_reason = ''))
);

-- A gate that let a CONTRACT pass, and on what evidence.
CREATE TABLE IF NOT EXISTS migration.gates (
    gate_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL,
    revision text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    forced_reason text NOT NULL DEFAULT '',
    evidence jsonb NOT NULL
);

-- Access to what a CONTRACT takes away is taken away before; give_back restores it.
CREATE TABLE IF NOT EXISTS migration.soaks (
    revision text PRIMARY KEY,
    service text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    restarts integer NOT NULL DEFAULT 0,
    give_back jsonb NOT NULL,
    watched jsonb NOT NULL,
    snapshot jsonb NOT NULL,
    snapshot_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id uuid NOT NULL,
    met_at timestamptz
);

-- Who registers shares this lock, whoever is about to contract has it alone: either the gate sees the instance, or the
-- instance sees what the contract did.
CREATE OR REPLACE FUNCTION migration.contract_lock(p_owner text) RETURNS bigint LANGUAGE sql STABLE AS $f$
    SELECT pg_catalog.hashtextextended('lockstep contract of ' || p_owner, 0)
$f$;

-- What a live instance or a kept build requires: one row per revision.
CREATE OR REPLACE VIEW migration.requirements AS
    SELECT r.revision, i.service, i.build, i.instance_id, i.address
      FROM migration.instances AS i
     CROSS JOIN LATERAL (
            SELECT i.required_revision AS revision
             UNION
            SELECT u.value ->> 'required_revision'
              FROM pg_catalog.jsonb_array_elements(coalesce(i.manifest -> 'uses', '[]')) AS u(value)) AS r
     WHERE i.expires_at > pg_catalog.clock_timestamp()
       AND coalesce(i.system_identifier = (SELECT migration.system_identifier()), true)
       AND r.revision <> ''
     UNION ALL
    SELECT u.value ->> 'required_revision', b.service, b.build, '', ''
      FROM migration.builds AS b
     CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(coalesce(b.manifest -> 'uses', '[]')) AS u(value)
     WHERE b.kept_at IS NOT NULL AND u.value ->> 'required_revision' <> '';

CREATE OR REPLACE FUNCTION migration.begin_undo(p_revision text) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_who text;
BEGIN
    DELETE FROM migration.applied_revisions WHERE revision = p_revision;
    SELECT pg_catalog.string_agg(
               CASE WHEN r.instance_id = '' THEN r.service || ' ' || r.build || ' (kept as a rollback candidate)'
                    ELSE r.service || ' ' || r.instance_id || ' (' || r.address || ')' END,
               ', ' ORDER BY r.service, r.instance_id, r.build)
      INTO v_who
      FROM migration.requirements AS r
     WHERE r.revision = p_revision;
    IF v_who IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'LSI01',
            MESSAGE = 'revision ' || p_revision || ' is required by running instances: ' || v_who;
    END IF;
END $f$;

-- What counts at the gate of a CONTRACT: a key that changes when an instance registers again.
CREATE OR REPLACE VIEW migration.builds_in_use AS
    SELECT i.service, i.build, i.instance_id, i.address, i.expires_at, i.required_revision, i.built_for, i.manifest,
           i.instance_id || ' ' || (extract(epoch FROM i.registered_at) * 1000000)::bigint AS key,
           pg_catalog.clock_timestamp() > i.expires_at - i.ttl * 0.3 AS is_silent
      FROM migration.instances AS i
     WHERE i.expires_at > pg_catalog.clock_timestamp()
       AND coalesce(i.system_identifier = (SELECT migration.system_identifier()), true)
     UNION ALL
    SELECT b.service, b.build, '', '', NULL, '', '', b.manifest,
           'kept ' || b.service || ' ' || b.build || ' ' || (extract(epoch FROM b.kept_at) * 1000000)::bigint, false
      FROM migration.builds AS b
     WHERE b.kept_at IS NOT NULL;

-- At the start of a CONTRACT step's transaction: nobody came since the gate was looked at (p_known holds the keys of who
-- was there), and nobody comes until the transaction ends.
CREATE OR REPLACE FUNCTION migration.begin_contract(p_owner text, p_known text[]) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    v_who text;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(migration.contract_lock(p_owner));
    SELECT pg_catalog.string_agg(b.service || ' ' || b.build || ' ' || b.instance_id, ', ' ORDER BY b.key)
      INTO v_who
      FROM migration.builds_in_use AS b
     WHERE b.key <> ALL (p_known);
    IF v_who IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'LSC01', MESSAGE = 'builds came since the gate was looked at: ' || v_who;
    END IF;
END $f$;
)sql";

}  // namespace

std::string_view LedgerBuilds() { return kBuilds; }

}  // namespace lockstep::migration
