#include "services/migration/engine/run/catalog_state.h"

#include "common/status/macros.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

std::vector<std::string> NamesOf(const ScriptFacts& facts) {
  std::vector<std::string> names = facts.written;
  names.insert(names.end(), facts.read.begin(), facts.read.end());
  return names;
}

// Whether an index that `drop` names is there and in this state.
absl::StatusOr<bool> IsAnyIndex(pg::Connection& connection, const ScriptFacts& drop,
                                const std::string& state) {
  ASSIGN_OR_RETURN(pg::Result left,
                   connection.Query("SELECT count(*) AS n FROM pg_class AS c"
                                    "  JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                                    "  JOIN pg_index AS i ON i.indexrelid = c.oid"
                                    " WHERE n.nspname || '.' || c.relname = ANY ($1::text[]) AND " +
                                        state,
                                    pg::ArrayLiteral(drop.written)));
  return left[0].Get<std::int64_t>("n") > 0;
}

}  // namespace

absl::StatusOr<std::optional<IndexState>> LookAtIndex(pg::Connection& connection,
                                                      const IndexBuild& build) {
  ASSIGN_OR_RETURN(
      pg::Result found,
      connection.Query(
          "SELECT i.indisvalid AND i.indisready AND i.indislive AS is_valid,"
          "  pg_get_indexdef(c.oid) AS definition,"
          "  coalesce((SELECT min(p.pid) FROM pg_stat_progress_create_index AS p"
          "             WHERE p.index_relid = c.oid AND p.pid <> pg_backend_pid()),"
          "           (SELECT min(l.pid) FROM pg_locks AS l"
          "             WHERE l.relation = c.oid AND l.granted AND l.pid <> pg_backend_pid()"
          "               AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')), 0)"
          "  AS builder_pid"
          "  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
          "  JOIN pg_index AS i ON i.indexrelid = c.oid"
          " WHERE n.nspname = $1 AND c.relname = $2",
          build.schema, build.name));
  if (found.empty()) return std::optional<IndexState>();
  const pg::Row row = found[0];
  return std::optional<IndexState>(IndexState{.is_valid = row.Get<bool>("is_valid"),
                                              .builder_pid = row.Get<std::int32_t>("builder_pid"),
                                              .definition = row.Text("definition")});
}

absl::StatusOr<bool> IsDefinedAs(const IndexState& state, const IndexBuild& build) {
  ASSIGN_OR_RETURN(const IndexBuild there, ReadIndexDefinition(state.definition));
  return there == build;
}

absl::StatusOr<bool> IsAnyIndexThere(pg::Connection& connection, const ScriptFacts& drop) {
  return IsAnyIndex(connection, drop, "true");
}

absl::StatusOr<bool> IsAnyIndexWhole(pg::Connection& connection, const ScriptFacts& drop) {
  return IsAnyIndex(connection, drop,
                    "(c.relkind = 'I' OR (i.indisvalid AND i.indisready AND i.indislive))");
}

absl::StatusOr<std::vector<std::string>> NotValidated(pg::Connection& connection,
                                                      const ScriptFacts& validate,
                                                      const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT w.name FROM unnest($1::text[]) AS w (name)"
                       " WHERE NOT EXISTS (SELECT FROM pg_constraint AS k"
                       "         JOIN pg_class AS c ON c.oid = k.conrelid"
                       "         JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                       "        WHERE k.conname = w.name AND k.convalidated"
                       "          AND n.nspname || '.' || c.relname = ANY ($2::text[]))",
                       pg::ArrayLiteral(names), pg::ArrayLiteral(validate.written)));
  std::vector<std::string> missing;
  for (const pg::Row row : rows) missing.push_back(row.Text("name"));
  return missing;
}

absl::StatusOr<std::vector<std::string>> ReindexLeftovers(pg::Connection& connection,
                                                          const ScriptFacts& reindex) {
  const std::vector<std::string> names = NamesOf(reindex);
  // REINDEX SCHEMA names no relation.
  const std::vector<std::string> schemas =
      names.empty() ? reindex.schemas : std::vector<std::string>();
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "WITH named AS ("
          "  SELECT c.oid, c.relkind FROM pg_class AS c"
          "    JOIN pg_namespace AS n ON n.oid = c.relnamespace"
          "   WHERE n.nspname || '.' || c.relname = ANY ($1::text[])"
          "      OR n.nspname = ANY ($2::text[])),"
          " tables AS ("
          "  SELECT oid FROM named WHERE relkind IN ('r', 'm', 'p')"
          "  UNION SELECT i.indrelid FROM named JOIN pg_index AS i ON i.indexrelid = named.oid"
          "  UNION SELECT t.relid FROM named CROSS JOIN LATERAL pg_partition_tree(named.oid) AS t"
          "         WHERE named.relkind = 'p'"
          "  UNION SELECT i.indrelid FROM named"
          "         CROSS JOIN LATERAL pg_partition_tree(named.oid) AS t"
          "          JOIN pg_index AS i ON i.indexrelid = t.relid WHERE named.relkind = 'I'),"
          " all_tables AS ("
          "  SELECT oid FROM tables"
          "  UNION SELECT c.reltoastrelid FROM tables JOIN pg_class AS c ON c.oid = tables.oid"
          "         WHERE c.reltoastrelid <> 0)"
          "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM all_tables AS a"
          "  JOIN pg_index AS i ON i.indrelid = a.oid AND NOT i.indisvalid"
          "  JOIN pg_class AS c ON c.oid = i.indexrelid"
          "  JOIN pg_namespace AS n ON n.oid = c.relnamespace"
          " WHERE c.relkind = 'i' AND c.relname ~ '_cc(new|old)[0-9]*$' ORDER BY 1",
          pg::ArrayLiteral(names), pg::ArrayLiteral(schemas)));
  std::vector<std::string> leftovers;
  for (const pg::Row row : rows) leftovers.push_back(row.Text("name"));
  return leftovers;
}

absl::StatusOr<std::optional<Attachment>> LookAtAttachment(pg::Connection& connection,
                                                           const ScriptFacts& detach) {
  ASSIGN_OR_RETURN(
      pg::Result attached,
      connection.Query("SELECT i.inhdetachpending AS is_pending, format('%I.%I', m.nspname, "
                       "p.relname) AS parent,"
                       "  format('%I.%I', n.nspname, c.relname) AS part"
                       "  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
                       "  JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                       "  JOIN pg_class AS p ON p.oid = i.inhparent"
                       "  JOIN pg_namespace AS m ON m.oid = p.relnamespace"
                       " WHERE n.nspname || '.' || c.relname = ANY ($1::text[])"
                       "   AND m.nspname || '.' || p.relname = ANY ($1::text[])",
                       pg::ArrayLiteral(NamesOf(detach))));
  if (attached.empty()) return std::optional<Attachment>();
  const pg::Row row = attached[0];
  return std::optional<Attachment>(Attachment{.is_pending = row.Get<bool>("is_pending"),
                                              .parent = row.Text("parent"),
                                              .part = row.Text("part")});
}

}  // namespace lockstep::migration
