#include "services/migration/engine/run/doctor/checks.h"

namespace lockstep::migration {
namespace {

// An index without its partitions is invalid on purpose until they are attached; one that is being
// built has a line of its own.
constexpr std::string_view kLeftovers = R"(
SELECT x.indexrelid::regclass::text AS object
  FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid JOIN owned AS o ON o.oid = c.relnamespace
 WHERE NOT x.indisvalid AND c.relkind = 'i'
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = x.indexrelid)
UNION ALL
SELECT i.inhrelid::regclass::text || ' (detaching)'
  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN owned AS o ON o.oid = c.relnamespace
 WHERE i.inhdetachpending
 ORDER BY 1)";

constexpr std::string_view kConstraints = R"(
SELECT c.conname || ' on ' || c.conrelid::regclass::text AS object
  FROM pg_constraint AS c JOIN owned AS o ON o.oid = c.connamespace
 WHERE NOT c.convalidated ORDER BY 1)";

constexpr std::string_view kArchives = R"(
SELECT a.kept_as || ', of ' || a.source AS object
  FROM migration.archives AS a WHERE a.expires_at < clock_timestamp() ORDER BY 1)";

constexpr std::string_view kLeases = R"(
SELECT 'run ' || r.run_id || ' is ' || r.state || ' without a lease' AS object
  FROM migration.runs AS r
 WHERE r.state = 'running' AND NOT EXISTS (SELECT FROM migration.lease AS l WHERE l.expires_at > clock_timestamp())
UNION ALL
SELECT 'session ' || s.pid || ' of a runner that lost its lease'
  FROM migration.runner_sessions AS s
  JOIN pg_stat_get_activity(NULL) AS a ON a.pid = s.pid AND a.backend_start = s.backend_start
 WHERE NOT EXISTS (SELECT FROM migration.lease AS l
                    WHERE l.token = s.token AND l.holder = s.holder AND l.expires_at > clock_timestamp())
 ORDER BY 1)";

constexpr std::string_view kRoles = R"(
SELECT w.role || CASE WHEN r.rolname IS NULL THEN ' is missing'
                      WHEN r.rolsuper THEN ' is a superuser'
                      WHEN r.rolbypassrls THEN ' bypasses row security'
                      ELSE ' may act as ' || w.owner END AS object
  FROM (SELECT s || '_app', s || '_owner' FROM unnest(ARRAY['catalog', 'orders', 'finance']) AS s) AS w(role, owner)
  LEFT JOIN pg_roles AS r ON r.rolname = w.role
  LEFT JOIN pg_roles AS o ON o.rolname = w.owner
 WHERE r.rolname IS NULL OR r.rolsuper OR r.rolbypassrls OR (o.oid IS NOT NULL AND pg_has_role(r.oid, o.oid, 'MEMBER'))
UNION ALL
SELECT w.owner || CASE WHEN r.rolname IS NULL THEN ' is missing' ELSE ' can log in' END
  FROM (SELECT s || '_owner' FROM unnest(ARRAY['catalog', 'orders', 'finance', 'migration']) AS s) AS w(owner)
  LEFT JOIN pg_roles AS r ON r.rolname = w.owner
 WHERE r.rolname IS NULL OR r.rolcanlogin
 ORDER BY 1)";

constexpr std::string_view kOwners = R"(
SELECT c.oid::regclass::text || ' belongs to ' || pg_get_userbyid(c.relowner) AS object
  FROM pg_class AS c JOIN owned AS o ON o.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_get_userbyid(c.relowner) <> o.service || '_owner'
UNION ALL
SELECT p.oid::regprocedure::text || ' belongs to ' || pg_get_userbyid(p.proowner)
  FROM pg_proc AS p JOIN owned AS o ON o.oid = p.pronamespace
 WHERE pg_get_userbyid(p.proowner) <> o.service || '_owner'
UNION ALL
SELECT 'schema ' || o.schema || ' belongs to ' || pg_get_userbyid(n.nspowner)
  FROM owned AS o JOIN pg_namespace AS n ON n.oid = o.oid
 WHERE pg_get_userbyid(n.nspowner) <> o.service || '_owner'
 ORDER BY 1)";

// What everybody may do, and what new objects would hand out.
constexpr std::string_view kGrants = R"(
SELECT x.privilege_type || ' on ' || c.oid::regclass::text || ' to PUBLIC' AS object
  FROM pg_class AS c JOIN owned AS o ON o.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) AS x
 WHERE x.grantee = 0
UNION ALL
SELECT x.privilege_type || ' on schema ' || o.schema || ' to PUBLIC'
  FROM owned AS o JOIN pg_namespace AS n ON n.oid = o.oid CROSS JOIN LATERAL aclexplode(n.nspacl) AS x
 WHERE x.grantee = 0
UNION ALL
SELECT 'default privileges of ' || pg_get_userbyid(d.defaclrole) || ' grant ' || x.privilege_type || ' to PUBLIC'
  FROM pg_default_acl AS d CROSS JOIN LATERAL aclexplode(d.defaclacl) AS x
 WHERE x.grantee = 0 AND d.defaclobjtype IN ('r', 'S', 'n') AND pg_get_userbyid(d.defaclrole) LIKE '%\_owner'
 ORDER BY 1)";

constexpr std::string_view kTransactions = R"(
SELECT 'session ' || a.pid || ' of ' || a.usename || ' (' || coalesce(nullif(a.application_name, ''), '?')
       || '), open for ' || date_trunc('second', clock_timestamp() - a.xact_start) AS object
  FROM pg_stat_activity AS a
 WHERE a.xact_start < clock_timestamp() - interval '1 hour' AND a.datname = current_database()
   AND a.backend_type = 'client backend'
UNION ALL
SELECT 'prepared transaction ' || p.gid || ' of ' || p.owner || ', since ' || date_trunc('second', p.prepared)
  FROM pg_prepared_xacts AS p
 WHERE p.prepared < clock_timestamp() - interval '1 hour' AND p.database = current_database()
 ORDER BY 1)";

constexpr std::string_view kReplication = R"(
SELECT 'slot ' || s.slot_name || ' holds back '
       || pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)) || ' of write-ahead log' AS object
  FROM pg_replication_slots AS s
 WHERE NOT s.active AND pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) > 1073741824
 ORDER BY 1)";

constexpr std::string_view kWraparound = R"(
SELECT d.datname || ': ' || age(d.datfrozenxid) AS object
  FROM pg_database AS d WHERE age(d.datfrozenxid) > 1000000000 ORDER BY 1)";

constexpr std::string_view kScratch = R"(
SELECT d.datname::text AS object FROM pg_database AS d
 WHERE d.datname LIKE 'lockstep\_scratch\_%'
   AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datid = d.oid)
 ORDER BY 1)";

constexpr DiagnosisState kBad = DiagnosisState::kBad;
constexpr DiagnosisState kDoubtful = DiagnosisState::kDoubtful;

}  // namespace

const std::vector<DoctorCheck>& DoctorChecks() {
  static const std::vector<DoctorCheck> checks = {
      {"leftovers", kLeftovers, kBad, "no index or partition was left half done",
       "indexes that are invalid, or partitions that are being detached",
       "`lockstep upgrade` resolves those of its own steps; drop the others with DROP INDEX "
       "CONCURRENTLY"},
      {"constraints", kConstraints, kDoubtful, "every constraint is proven",
       "constraints that old rows may violate", "VALIDATE CONSTRAINT in a revision"},
      {"archives", kArchives, kDoubtful, "no archive has expired", "archives have expired",
       "`lockstep archives --purge`"},
      {"leases", kLeases, kBad, "every run and every session of one holds its lease",
       "runs or sessions without a lease",
       "the next run ends them; `lockstep runs` shows what they did"},
      {"roles", kRoles, kBad, "services have roles with no more rights than they need",
       "roles are missing or may do too much",
       "`lockstep bootstrap` makes them; revoke what was added"},
      {"owners", kOwners, kBad, "everything belongs to the owner of its schema",
       "objects belong to somebody else, and migrations of their service will fail on them",
       "REASSIGN OWNED or ALTER ... OWNER TO, as an administrator"},
      {"grants", kGrants, kDoubtful, "nothing is granted to everybody", "grants to everybody",
       "REVOKE in a revision, unless it is meant"},
      {"transactions", kTransactions, kDoubtful, "no transaction is older than an hour",
       "transactions are older than an hour: they hold locks and keep dead rows",
       "end them with pg_terminate_backend() or ROLLBACK PREPARED"},
      {"replication", kReplication, kBad, "no slot holds back write-ahead log",
       "slots that nobody reads fill the disk",
       "pg_drop_replication_slot(), or bring the reader back"},
      {"wraparound", kWraparound, kBad, "transaction ids are young enough",
       "databases near the end of their transaction ids",
       "VACUUM (FREEZE); see what holds autovacuum up"},
      {"scratch", kScratch, kDoubtful, "no scratch database was left over",
       "scratch databases that nobody uses",
       "the next rehearsal drops those older than a day; or DROP DATABASE"},
  };
  return checks;
}

}  // namespace lockstep::migration
