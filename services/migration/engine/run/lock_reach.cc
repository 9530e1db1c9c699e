#include "services/migration/engine/run/lock_reach.h"

#include <algorithm>
#include <string_view>

#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

constexpr char kResolved[] =
    "SELECT n.nspname || '.' || c.relname AS relation, w.modes AS mode FROM wanted AS w"
    "  JOIN pg_class AS c ON c.oid = w.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace";

std::string_view ReachText(Reach reach) {
  switch (reach) {
    case Reach::kItself:
      return "itself";
    case Reach::kHeirs:
      return "heirs";
    case Reach::kDefaultPartition:
      return "default_partition";
    case Reach::kReferenced:
      return "referenced";
    case Reach::kDependents:
      return "dependents";
    case Reach::kIndexes:
      return "indexes";
    case Reach::kIndexedTable:
      return "indexed_table";
  }
  return "";
}

}  // namespace

const char kWantedRelations[] = R"(
WITH RECURSIVE asked AS (
    SELECT c.oid, a.reach, a.part, a.modes
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS a (schema, name, reach, part, modes)
      JOIN pg_namespace AS n ON n.nspname = a.schema
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.name
), heirs AS (
    SELECT oid, modes FROM asked WHERE reach = 'heirs'
    UNION
    SELECT i.inhrelid, h.modes FROM heirs AS h JOIN pg_inherits AS i ON i.inhparent = h.oid
), wanted AS (
    SELECT oid, modes FROM asked WHERE reach = 'itself'
    UNION SELECT oid, modes FROM heirs
    UNION SELECT p.partdefid, a.modes FROM asked AS a
            JOIN pg_partitioned_table AS p ON p.partrelid = a.oid WHERE a.reach = 'default_partition'
    UNION SELECT f.confrelid, a.modes FROM asked AS a
            JOIN pg_constraint AS f ON f.conrelid = a.oid AND f.contype = 'f'
           WHERE a.reach = 'referenced'
             AND (a.part IN ('', f.conname::text)
                  OR EXISTS (SELECT FROM pg_attribute AS c WHERE c.attrelid = a.oid AND c.attname = a.part
                                                             AND c.attnum = ANY (f.conkey)))
    UNION SELECT f.conrelid, a.modes FROM asked AS a
            JOIN pg_constraint AS f ON f.confrelid = a.oid AND f.contype = 'f' WHERE a.reach = 'dependents'
    UNION SELECT r.ev_class, a.modes FROM asked AS a
            JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.oid
                               AND d.classid = 'pg_rewrite'::regclass
            JOIN pg_rewrite AS r ON r.oid = d.objid WHERE a.reach = 'dependents'
    UNION SELECT i.indexrelid, a.modes FROM asked AS a JOIN pg_index AS i ON i.indrelid = a.oid
           WHERE a.reach = 'indexes'
    UNION SELECT i.indrelid, a.modes FROM asked AS a JOIN pg_index AS i ON i.indexrelid = a.oid
           WHERE a.reach = 'indexed_table'
)
)";

std::array<std::string, 5> WantedArrays(const std::vector<RelationLock>& locks,
                                        const std::function<std::string(LockMode)>& modes_of) {
  std::array<std::vector<std::string>, 5> columns;
  for (const RelationLock& lock : locks) {
    columns[0].push_back(lock.schema);
    columns[1].push_back(lock.name);
    columns[2].emplace_back(ReachText(lock.reach));
    columns[3].push_back(lock.part);
    columns[4].push_back(modes_of(lock.mode));
  }
  std::array<std::string, 5> arrays;
  std::transform(columns.begin(), columns.end(), arrays.begin(),
                 [](const auto& column) { return pg::ArrayLiteral(column); });
  return arrays;
}

absl::StatusOr<std::map<std::string, LockMode>> ResolveLocks(
    pg::Connection& connection, const std::vector<RelationLock>& locks) {
  std::map<std::string, LockMode> resolved;
  if (locks.empty()) return resolved;
  const std::array<std::string, 5> wish =
      WantedArrays(locks, [](LockMode mode) { return std::to_string(static_cast<int>(mode)); });
  ASSIGN_OR_RETURN(const pg::Result rows,
                   connection.Query(std::string(kWantedRelations) + kResolved, wish[0], wish[1],
                                    wish[2], wish[3], wish[4]));
  for (const pg::Row row : rows) {
    const auto mode = static_cast<LockMode>(std::stoi(row.Text("mode")));
    LockMode& strongest = resolved.try_emplace(row.Text("relation"), mode).first->second;
    strongest = std::max(strongest, mode);
  }
  return resolved;
}

}  // namespace lockstep::migration
