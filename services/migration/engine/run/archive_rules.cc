#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/archive_keeper.h"
#include "services/migration/engine/run/holdings.h"
#include "services/migration/engine/run/statement_text.h"

namespace lockstep::migration {
namespace {

absl::StatusOr<bool> IsAny(pg::Connection& connection, const std::string& table,
                           const std::string& where) {
  ASSIGN_OR_RETURN(pg::Result any, connection.Query("SELECT EXISTS (SELECT FROM " +
                                                    QuotedName(table) + where + ") AS is_any"));
  return any[0].Get<bool>("is_any");
}

absl::StatusOr<bool> IsThere(pg::Connection& connection, const std::string& table) {
  ASSIGN_OR_RETURN(pg::Result there, connection.Query("SELECT to_regclass($1) IS NOT NULL AS it_is",
                                                      QuotedName(table)));
  return there[0].Get<bool>("it_is");
}

// One table at a time, as the step would look at it.
class Asker {
 public:
  Asker(const StepTask& task, pg::Connection& connection) : task_(task), connection_(connection) {}

  // Each returns whether there is something to keep.
  absl::StatusOr<bool> Columns(const std::string& table, const std::vector<std::string>& names);
  absl::StatusOr<bool> Rows(const std::string& table, bool needs_key);

 private:
  absl::StatusOr<bool> WithKey(const std::string& table, const std::string& why_not);

  const StepTask& task_;
  pg::Connection& connection_;
};

absl::StatusOr<bool> Asker::WithKey(const std::string& table, const std::string& why_not) {
  ASSIGN_OR_RETURN(const std::vector<std::string> key, PrimaryKeyOf(connection_, table));
  if (key.empty()) return ArchiveImpossible(task_, table, why_not);
  return true;
}

absl::StatusOr<bool> Asker::Columns(const std::string& table,
                                    const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const std::vector<std::string> there, StoredColumns(connection_, table, names));
  if (there.empty()) return false;
  ASSIGN_OR_RETURN(const bool has_values, IsAny(connection_, table, " WHERE " + AnyFilled(there)));
  if (!has_values) return false;
  return WithKey(table, kNoPrimaryKey);
}

absl::StatusOr<bool> Asker::Rows(const std::string& table, bool needs_key) {
  ASSIGN_OR_RETURN(const bool is_there, IsThere(connection_, table));
  if (!is_there) return false;
  ASSIGN_OR_RETURN(const bool has_rows, IsAny(connection_, table, ""));
  if (!has_rows) return false;
  return needs_key ? WithKey(table, kNothingIdentifies) : true;
}

}  // namespace

absl::Status ArchiveImpossible(const StepTask& task, const std::string& table,
                               const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_IMPOSSIBLE",
               task.text() + ": " + table + " cannot be archived: " + why)
      .With("table", std::string_view(table));
}

absl::Status RefuseUnseen(const StepTask& task, bool guard_is_silent) {
  if (task.script.is_opaque) {
    return ArchiveImpossible(task, task.script.file,
                             "the parser cannot tell what this script destroys");
  }
  if (task.step.kind == StepKind::kPrivileged) {
    if (guard_is_silent || !TakesAway(task.script)) return absl::OkStatus();
    return ArchiveImpossible(task, task.script.file,
                             "an administrator's statements run as they are");
  }
  const bool hides = task.script.facts.has_hidden_code;
  if (hides && task.revision.destroys.empty() && !guard_is_silent) {
    return ArchiveImpossible(
        task, task.script.file,
        "it hides what it destroys, and the revision declares nothing under destroys");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> PrimaryKeyOf(pg::Connection& connection,
                                                      const std::string& table) {
  ASSIGN_OR_RETURN(
      pg::Result key,
      connection.Query(
          "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
          "   AND a.attnum = ANY (i.indkey::smallint[])"
          " WHERE i.indisprimary AND i.indrelid = to_regclass($1)"
          " ORDER BY array_position(i.indkey::smallint[], a.attnum)",
          QuotedName(table)));
  std::vector<std::string> names;
  for (const pg::Row row : key) names.push_back(row.Text("attname"));
  return names;
}

absl::StatusOr<std::vector<std::string>> StoredColumns(pg::Connection& connection,
                                                       const std::string& table,
                                                       const std::vector<std::string>& names) {
  // DROP COLUMN IF EXISTS may name what is not there. What is generated the upgrade computes anew.
  ASSIGN_OR_RETURN(
      pg::Result there,
      connection.Query("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1)"
                       "   AND attname = ANY ($2::text[]) AND NOT attisdropped"
                       "   AND attgenerated = '' ORDER BY attnum",
                       QuotedName(table), pg::ArrayLiteral(names)));
  std::vector<std::string> columns;
  for (const pg::Row row : there) columns.push_back(row.Text("attname"));
  return columns;
}

std::string AnyFilled(const std::vector<std::string>& columns) {
  return absl::StrJoin(columns, " OR ", [](std::string* out, const std::string& column) {
    *out += pg::QuoteIdentifier(column) + " IS NOT NULL";
  });
}

std::map<std::string, std::vector<std::string>> ColumnsThatGo(const Script& script) {
  std::map<std::string, std::vector<std::string>> by_table;
  const std::vector<std::string>& dropped = script.facts.tables_dropped;
  for (const ColumnName& column : script.facts.columns_dropped) {
    if (std::find(dropped.begin(), dropped.end(), column.table) == dropped.end()) {
      by_table[column.table].push_back(column.column);
    }
  }
  return by_table;
}

std::vector<std::string> UndeclaredRowsThatGo(const StepTask& task) {
  std::vector<std::string> tables;
  for (const std::string& table : task.script.facts.rows_destroyed_in) {
    const bool is_declared =
        std::any_of(task.revision.destroys.begin(), task.revision.destroys.end(),
                    [&](const DestroyedData& data) { return data.table == table; });
    if (!is_declared) tables.push_back(table);
  }
  return tables;
}

absl::StatusOr<bool> MayBeKept(const StepTask& task, const KeepQuestion& question,
                               pg::Connection& connection) {
  const bool knows_enough = question.guard_is_silent.has_value() || task.script.is_opaque;
  if (knows_enough) {
    RETURN_IF_ERROR(RefuseUnseen(task, question.guard_is_silent.value_or(false)));
  }
  if (task.step.kind == StepKind::kPrivileged) return false;
  Asker asker(task, connection);
  bool keeps = false;
  for (const auto& [table, columns] : ColumnsThatGo(task.script)) {
    if (question.may_change(table)) continue;
    ASSIGN_OR_RETURN(const bool has_some, asker.Columns(table, columns));
    keeps = keeps || has_some;
  }
  for (const std::string& table : UndeclaredRowsThatGo(task)) {
    if (question.may_change(table)) continue;
    ASSIGN_OR_RETURN(const bool has_some, asker.Rows(table, /*needs_key=*/true));
    keeps = keeps || has_some;
  }
  for (const std::string& table : task.script.facts.tables_dropped) {
    if (question.may_change(table)) continue;
    ASSIGN_OR_RETURN(const bool has_some, asker.Rows(table, /*needs_key=*/false));
    keeps = keeps || has_some;
  }
  if (!keeps) return false;
  ASSIGN_OR_RETURN(pg::Result may, connection.Query("SELECT has_database_privilege(current_user, "
                                                    "current_database(), 'CREATE') AS create"));
  if (may[0].Get<bool>("create")) return true;
  return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_IMPOSSIBLE",
               task.text() + ": " + kMayNotCreateSchemas);
}

}  // namespace lockstep::migration
