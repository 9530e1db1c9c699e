#include "services/migration/engine/run/plan_notes_partitioned.h"

#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// $1: "schema.name" of a partitioned table, or of an index of one. No row for anything else.
constexpr char kSubject[] = R"(
SELECT c.relkind = 'I' AS is_index, tn.nspname || '.' || tc.relname AS table_name,
       (SELECT count(*) FROM pg_partition_tree(tc.oid) AS t WHERE t.isleaf AND t.relid <> tc.oid) AS partitions
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
  JOIN pg_class AS tc ON tc.oid = coalesce(i.indrelid, c.oid)
  JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
 WHERE n.nspname || '.' || c.relname = $1 AND c.relkind IN ('p', 'I')
)";

std::string BuildText(const std::string& index, const std::string& table, std::int64_t partitions) {
  return absl::StrFormat(
      "index %s is built on %d partitions of %s one after another, each CONCURRENTLY; SHARE on the "
      "partitioned table for a moment at the start, ACCESS EXCLUSIVE on each new index for a "
      "moment "
      "when it is attached",
      index, partitions, table);
}

std::string DropText(const std::string& index, const std::string& table, std::int64_t partitions) {
  return absl::StrFormat(
      "index %s of a partitioned table cannot be dropped CONCURRENTLY: ACCESS EXCLUSIVE on %s and "
      "its %d partitions for a moment, asked for only when nobody holds them for long",
      index, table, partitions);
}

// About `statement_subject`, if that is partitioned. `index`: that is built on it; "" = it is an
// index that is dropped.
absl::Status AddOne(pg::Connection& connection, const ComingStep& coming,
                    const std::string& statement_subject, const std::string& index,
                    std::vector<PlanNote>& notes) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kSubject, statement_subject));
  if (rows.empty() || rows[0].Get<bool>("is_index") != index.empty()) return absl::OkStatus();
  PlanNote note;
  note.kind = "partitioned";
  note.revision = coming.revision->id;
  note.step = coming.step->ordinal;
  note.step_name = coming.step->name;
  note.table = rows[0].Text("table_name");
  const std::int64_t partitions = rows[0].Get<std::int64_t>("partitions");
  note.what = index.empty() ? DropText(statement_subject, note.table, partitions)
                            : BuildText(index, note.table, partitions);
  notes.push_back(std::move(note));
  return absl::OkStatus();
}

}  // namespace

absl::Status AddPartitioned(pg::Connection& connection, const RelationNames& was_there,
                            const std::vector<ComingStep>& steps, std::vector<PlanNote>& notes) {
  for (const ComingStep& coming : steps) {
    if (coming.step->kind != StepKind::kNonTransactional) continue;
    const ScriptFacts& facts = coming.script->facts;
    for (const IndexBuild& build : facts.concurrent_indexes) {
      const std::string table = build.schema + "." + build.table;
      if (!was_there.contains(table)) continue;
      RETURN_IF_ERROR(AddOne(connection, coming, table, build.schema + "." + build.name, notes));
    }
    for (const std::string& tag : facts.tags) {
      if (tag != "DROP INDEX") continue;
      for (const std::string& name : facts.written) {
        if (!was_there.contains(name)) continue;
        RETURN_IF_ERROR(AddOne(connection, coming, name, "", notes));
      }
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration
