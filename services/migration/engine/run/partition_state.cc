#include "services/migration/engine/run/partition_state.h"

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// $1, $2: schema and name of the index. Its parts are found from the index, the partitions from its
// table: a partition without a part has a NULL there.
constexpr char kPartitions[] = R"(
WITH root AS (
    SELECT c.oid, i.indrelid
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_index AS i ON i.indexrelid = c.oid
     WHERE n.nspname = $1 AND c.relname = $2
), parts AS (
    SELECT i.indrelid, c.relname, n.nspname, i.indisvalid
      FROM root CROSS JOIN LATERAL pg_partition_tree(root.oid) AS t
      JOIN pg_index AS i ON i.indexrelid = t.relid
      JOIN pg_class AS c ON c.oid = t.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace
)
SELECT t.relid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS is_partitioned,
       EXISTS (SELECT FROM pg_partition_tree(t.relid) AS b JOIN pg_class AS f ON f.oid = b.relid
                WHERE f.relkind = 'f') OR c.relkind = 'f' AS is_foreign,
       CASE WHEN above.relname IS NULL THEN '' ELSE format('%I.%I', above.nspname, above.relname) END AS parent_index,
       coalesce(own.nspname::text, '') AS attached_schema, coalesce(own.relname::text, '') AS attached_name,
       coalesce(own.indisvalid, false) AS is_attached_valid
  FROM root CROSS JOIN LATERAL pg_partition_tree(root.indrelid) AS t
  JOIN pg_class AS c ON c.oid = t.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN parts AS own ON own.indrelid = t.relid
  LEFT JOIN parts AS above ON above.indrelid = t.parentrelid
 WHERE t.relid <> root.indrelid
 ORDER BY t.level, n.nspname, c.relname
)";

constexpr char kShape[] = R"(
SELECT i.indisunique AS is_unique, tn.nspname || '.' || tc.relname AS table_name,
       pg_get_indexdef(c.oid) AS definition,
       CASE WHEN i.indisunique THEN 'CREATE UNIQUE INDEX ' ELSE 'CREATE INDEX ' END
         || format('%I ON %s%I.%I ', c.relname, CASE WHEN c.relkind = 'I' THEN 'ONLY ' ELSE '' END,
                   tn.nspname, tc.relname) AS beginning
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_index AS i ON i.indexrelid = c.oid
  JOIN pg_class AS tc ON tc.oid = i.indrelid JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2
)";

}  // namespace

absl::StatusOr<bool> IsPartitioned(pg::Connection& connection, const std::string& relation) {
  ASSIGN_OR_RETURN(pg::Result found,
                   connection.Query("SELECT count(*) AS n FROM pg_class AS c"
                                    "  JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                                    " WHERE n.nspname || '.' || c.relname = $1"
                                    "   AND c.relkind IN ('p', 'I')",
                                    relation));
  return found[0].Get<std::int64_t>("n") > 0;
}

absl::StatusOr<std::vector<Partition>> LoadPartitions(pg::Connection& connection,
                                                      const std::string& schema,
                                                      const std::string& name) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kPartitions, schema, name));
  std::vector<Partition> partitions;
  for (const pg::Row row : rows) {
    Partition& part = partitions.emplace_back();
    part.oid = static_cast<std::uint32_t>(row.Get<std::int64_t>("oid"));
    part.schema = row.Text("schema");
    part.name = row.Text("name");
    part.is_partitioned = row.Get<bool>("is_partitioned");
    part.is_foreign = row.Get<bool>("is_foreign");
    part.parent_index = row.Text("parent_index");
    part.attached_schema = row.Text("attached_schema");
    part.attached_name = row.Text("attached_name");
    part.is_attached_valid = row.Get<bool>("is_attached_valid");
  }
  return partitions;
}

absl::StatusOr<std::optional<IndexShape>> LoadIndexShape(pg::Connection& connection,
                                                         const std::string& schema,
                                                         const std::string& name) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kShape, schema, name));
  if (rows.empty()) return std::optional<IndexShape>();
  const pg::Row row = rows[0];
  const std::string definition = row.Text("definition");
  const std::string beginning = row.Text("beginning");
  if (!definition.starts_with(beginning)) {
    return Error(absl::StatusCode::kInternal, "INDEX_DEFINITION_UNREADABLE",
                 "the server describes index " + schema + "." + name + " as \"" + definition +
                     "\", expected it to begin with \"" + beginning + "\"");
  }
  return std::optional<IndexShape>(IndexShape{.is_unique = row.Get<bool>("is_unique"),
                                              .table = row.Text("table_name"),
                                              .rest = definition.substr(beginning.size())});
}

}  // namespace lockstep::migration
