#include "services/migration/engine/run/measure/meter.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// Every name is qualified: a step may have put functions of its own in front. Sequences and
// relations without rows of their own count none.
constexpr char kRelations[] =
    "SELECT c.oid::bigint AS oid, n.nspname || '.' || c.relname AS name, c.relkind::text AS kind,"
    "       coalesce(i.indrelid, 0)::bigint AS of_table,"
    "       coalesce(h.inhparent, 0)::bigint AS parent,"
    "       coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::bigint AS filenode,"
    "       CASE WHEN c.relkind IN ('r', 'm', 't')"
    "            THEN pg_catalog.pg_stat_get_xact_tuples_returned(c.oid)"
    "               + pg_catalog.pg_stat_get_xact_tuples_fetched(c.oid)"
    "            ELSE 0 END AS rows_read"
    "  FROM pg_catalog.pg_class AS c"
    "  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    "  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid"
    "  LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = c.oid AND h.inhseqno = 1"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')"
    "   AND n.nspname NOT IN ('information_schema', 'migration') AND n.nspname !~ '^pg_'";

constexpr char kHeld[] =
    "SELECT l.relation::bigint AS oid, l.mode AS mode FROM pg_catalog.pg_locks AS l"
    " WHERE l.locktype = 'relation' AND l.granted AND l.pid = pg_catalog.pg_backend_pid()"
    "   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d"
    "                      WHERE d.datname = pg_catalog.current_database())";

const KnownRelation* FindByName(const KnownRelations& relations, const std::string& name) {
  const auto found = std::find_if(relations.begin(), relations.end(),
                                  [&](const auto& entry) { return entry.second.name == name; });
  return found == relations.end() ? nullptr : &found->second;
}

}  // namespace

std::optional<LockMode> ModeOfPgLocks(std::string_view name) {
  for (int value = 1; value <= 8; ++value) {
    const auto mode = static_cast<LockMode>(value);
    if (PgLocksName(mode) == name) return mode;
  }
  return std::nullopt;
}

absl::StatusOr<KnownRelations> ReadRelations(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kRelations));
  KnownRelations relations;
  std::map<std::int64_t, std::vector<std::int64_t>> above;
  for (const pg::Row row : rows) {
    for (const char* column : {"of_table", "parent"}) {
      const auto whole = row.Get<std::int64_t>(column);
      if (whole != 0) above[row.Get<std::int64_t>("oid")].push_back(whole);
    }
    relations[row.Get<std::int64_t>("oid")] = {.name = row.Text("name"),
                                               .kind = row.Text("kind").front(),
                                               .parts = {},
                                               .filenode = row.Get<std::int64_t>("filenode"),
                                               .rows_read = row.Get<std::int64_t>("rows_read")};
  }
  for (auto& [oid, relation] : relations) {
    std::vector<std::int64_t> left = above[oid];
    while (!left.empty()) {
      const std::int64_t whole = left.back();
      left.pop_back();
      relation.parts.push_back(whole);
      left.insert(left.end(), above[whole].begin(), above[whole].end());
    }
  }
  return relations;
}

std::vector<RelationCost> CostsOf(const KnownRelations& before, const KnownRelations& after,
                                  const HeldModes& held) {
  std::vector<RelationCost> costs;
  for (const auto& [oid, was] : before) {
    RelationCost cost{.relation = was.name,
                      .is_index = was.kind == 'i' || was.kind == 'I',
                      .is_sequence = was.kind == 'S'};
    for (const std::int64_t whole : was.parts) {
      const auto found = before.find(whole);
      if (found != before.end()) cost.within.push_back(found->second.name);
    }
    if (const auto mode = held.find(oid); mode != held.end()) cost.mode = mode->second;
    const auto same = after.find(oid);
    if (same != after.end()) cost.rows_read = same->second.rows_read - was.rows_read;
    const KnownRelation* now = same != after.end() ? &same->second : FindByName(after, was.name);
    cost.is_rewritten = now != nullptr && was.filenode != 0 && now->filenode != was.filenode;
    if (cost.mode.has_value() || cost.is_rewritten || cost.rows_read > 0) {
      costs.push_back(std::move(cost));
    }
  }
  std::sort(costs.begin(), costs.end(),
            [](const auto& one, const auto& other) { return one.relation < other.relation; });
  return costs;
}

absl::Status ForbidWorkers(pg::Connection& connection) {
  return connection
      .Script(
          "SET LOCAL max_parallel_maintenance_workers = 0;"
          " SET LOCAL max_parallel_workers_per_gather = 0;")
      .status();
}

absl::StatusOr<Meter> Meter::Begin(pg::Connection& connection) {
  ASSIGN_OR_RETURN(KnownRelations before, ReadRelations(connection));
  return Meter(std::move(before), absl::Now());
}

absl::StatusOr<Measurement> Meter::End(pg::Connection& connection) const {
  Measurement measurement;
  measurement.took = absl::Now() - began_;
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kHeld));
  HeldModes held;
  for (const pg::Row row : rows) {
    const std::optional<LockMode> mode = ModeOfPgLocks(row.Text("mode"));
    if (!mode.has_value()) continue;
    LockMode& strongest = held.try_emplace(row.Get<std::int64_t>("oid"), *mode).first->second;
    strongest = std::max(strongest, *mode);
  }
  ASSIGN_OR_RETURN(const KnownRelations after, ReadRelations(connection));
  measurement.relations = CostsOf(before_, after, held);
  return measurement;
}

}  // namespace lockstep::migration
