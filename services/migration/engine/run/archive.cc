#include "services/migration/engine/run/archive.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive_keeper.h"
#include "services/migration/engine/run/archive_restore_sql.h"
#include "services/migration/engine/run/holdings.h"
#include "services/migration/engine/run/statement_text.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

using pg::QuoteIdentifier;
using pg::QuoteLiteral;

}  // namespace

absl::StatusOr<bool> Keeper::Exists(const std::string& table) {
  ASSIGN_OR_RETURN(
      pg::Result result,
      connection_.Query("SELECT to_regclass($1) IS NOT NULL AS is_there", QuotedName(table)));
  return result[0].Get<bool>("is_there");
}

absl::StatusOr<bool> Keeper::HasRows(const std::string& table, const std::string& where) {
  ASSIGN_OR_RETURN(pg::Result any, connection_.Query("SELECT EXISTS (SELECT FROM " +
                                                     QuotedName(table) + where + ") AS has_rows"));
  return any[0].Get<bool>("has_rows");
}

// A schema for one thing that is kept, so that names of indexes and constraints never collide and
// all can go back as it was. It belongs to the migrator; the owner may only put something in until
// the step ends.
absl::StatusOr<std::string> Keeper::NewSchema() {
  const std::string role = OwnerRole(task_.revision.service);
  ASSIGN_OR_RETURN(
      const auto results,
      connection_.Script(
          "SET LOCAL ROLE NONE;\n"
          "SELECT nextval(pg_get_serial_sequence('migration.archives', 'archive_id')) AS id;"));
  archive_id_ = results.back()[0].Text("id");
  const std::string schema = "migration_archive_" + archive_id_;
  const absl::Status created =
      connection_
          .Script("CREATE SCHEMA " + schema + ";\nGRANT USAGE, CREATE ON SCHEMA " + schema +
                  " TO " + QuoteIdentifier(role) + ";\n" + EnterRoleSql(role))
          .status();
  if (pg::SqlStateOf(created) == "42501") {
    // The right belongs to the database, so a copy or a restored dump of it does not have it.
    return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_IMPOSSIBLE",
                 task_.text() + ": " + kMayNotCreateSchemas);
  }
  RETURN_IF_ERROR(created);
  prepared_.extra_schemas.push_back(schema);
  prepared_.record_sql +=
      "REVOKE CREATE ON SCHEMA " + schema + " FROM " + QuoteIdentifier(role) + ";\n";
  return schema;
}

absl::StatusOr<std::int64_t> Keeper::Copy(const std::string& schema, const std::string& table,
                                          const std::vector<std::string>& columns,
                                          const std::string& where) {
  // Values of a type that a service made are kept as text: the undo may drop the type.
  ASSIGN_OR_RETURN(
      pg::Result list,
      connection_.Query(
          "SELECT string_agg(format(CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace"
          " THEN '%1$I' ELSE '%1$I::text AS %1$I' END, a.attname), ', ' ORDER BY a.attnum) AS list"
          "  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
          " WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped"
          "   AND CASE WHEN cardinality($2::text[]) = 0 THEN a.attgenerated = ''"
          "            ELSE a.attname = ANY ($2::text[]) END",
          QuotedName(table), pg::ArrayLiteral(columns)));
  ASSIGN_OR_RETURN(pg::Result copied,
                   connection_.Query("CREATE TABLE " + schema + "." +
                                     QuoteIdentifier(BareName(table)) + " AS SELECT " +
                                     list[0].Text("list") + " FROM " + QuotedName(table) + where));
  return copied.affected();
}

void Keeper::Record(const std::string& schema, std::string_view kind, const std::string& table,
                    std::int64_t rows, const std::string& restore) {
  ArchivedData archived;
  archived.id = std::stoll(archive_id_);
  archived.run_id = session_.journal.run_id();
  archived.revision = task_.revision.id;
  archived.kind = std::string(kind);
  archived.source = table;
  archived.kept_as = schema + "." + BareName(table);
  archived.row_count = rows;
  archived.restore_sql = restore;
  archived.created_at = absl::Now();
  archived.expires_at = archived.created_at + session_.options.archive_retention;
  prepared_.record_sql += absl::StrFormat(
      "INSERT INTO migration.archives (archive_id, run_id, revision, ordinal, kind, source, "
      "schema_name, kept_as,"
      " row_count, restore_sql, expires_at) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %d, '%s', "
      "%s, %s, %s, %d, %s,"
      " clock_timestamp() + %d * interval '1 second');\n",
      archive_id_, session_.sql.run, QuoteLiteral(task_.revision.id), task_.step.ordinal,
      std::string(kind), QuoteLiteral(table), QuoteLiteral(schema), QuoteLiteral(archived.kept_as),
      rows, QuoteLiteral(restore), absl::ToInt64Seconds(session_.options.archive_retention));
  Happening happened =
      task_.Event("archived", absl::StrFormat("kept %s of %s (%d rows) in %s", std::string(kind),
                                              table, rows, archived.kept_as));
  happened.details["kept_as"] = archived.kept_as;
  happened.details["rows"] = rows;
  prepared_.events.push_back(std::move(happened));
  prepared_.archives.push_back(std::move(archived));
}

absl::Status Keeper::CopyColumns(const std::string& table,
                                 const std::vector<std::string>& columns) {
  const std::string where = " WHERE " + AnyFilled(columns);
  ASSIGN_OR_RETURN(const bool has_values, HasRows(table, where));
  if (!has_values) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> key, PrimaryKeyOf(connection_, table));
  if (key.empty()) return ArchiveImpossible(task_, table, kNoPrimaryKey);
  return CopyValues(table, key, columns, where);
}

absl::Status Keeper::CopyValues(const std::string& table, const std::vector<std::string>& key,
                                const std::vector<std::string>& columns, const std::string& where) {
  std::vector<std::string> values;
  for (const std::string& column : columns) {
    if (std::find(key.begin(), key.end(), column) == key.end()) values.push_back(column);
  }
  std::vector<std::string> kept = key;
  kept.insert(kept.end(), values.begin(), values.end());
  ASSIGN_OR_RETURN(const std::string schema, NewSchema());
  ASSIGN_OR_RETURN(const std::int64_t rows, Copy(schema, table, kept, where));
  Record(schema, "columns", table, rows,
         RestoreValuesSql(table, schema + "." + BareName(table), key, values));
  return absl::OkStatus();
}

absl::Status Keeper::KeepColumns() {
  for (const auto& [table, names] : ColumnsThatGo(task_.script)) {
    ASSIGN_OR_RETURN(const std::vector<std::string> columns,
                     StoredColumns(connection_, table, names));
    if (!columns.empty()) RETURN_IF_ERROR(CopyColumns(table, columns));
  }
  return absl::OkStatus();
}

absl::Status Keeper::CopyRows(const DestroyedData& data) {
  const std::string where = data.where.empty() ? "" : " WHERE " + data.where;
  ASSIGN_OR_RETURN(const bool has_rows, HasRows(data.table, where));
  if (!has_rows) return absl::OkStatus();
  if (data.key.empty()) return ArchiveImpossible(task_, data.table, kNothingIdentifies);
  if (!data.columns.empty()) return CopyValues(data.table, data.key, data.columns, where);
  ASSIGN_OR_RETURN(const std::string schema, NewSchema());
  ASSIGN_OR_RETURN(const std::int64_t rows, Copy(schema, data.table, {}, where));
  Record(schema, "rows", data.table, rows,
         RestoreRowsSql(data.table, schema + "." + BareName(data.table), data.key));
  return absl::OkStatus();
}

absl::Status Keeper::KeepDeclared(bool with_undeclared_rows) {
  const auto touches = [](const Script& script, const std::string& table) {
    const auto& tables = script.facts.rows_destroyed_in;
    return std::find(tables.begin(), tables.end(), table) != tables.end();
  };
  for (const DestroyedData& data : task_.revision.destroys) {
    const bool is_somebodys =
        std::any_of(task_.revision.steps.begin(), task_.revision.steps.end(),
                    [&](const Step& step) { return touches(step.down, data.table); });
    if (!touches(task_.script, data.table) && (is_somebodys || !with_undeclared_rows)) continue;
    ASSIGN_OR_RETURN(const bool exists, Exists(data.table));
    if (exists) RETURN_IF_ERROR(CopyRows(data));
  }
  return absl::OkStatus();
}

absl::Status Keeper::KeepRowsOfTablesThatGo() {
  for (const std::string& table : UndeclaredRowsThatGo(task_)) {
    ASSIGN_OR_RETURN(const bool exists, Exists(table));
    if (!exists) continue;
    DestroyedData all{.table = table, .key = {}, .columns = {}, .where = ""};
    ASSIGN_OR_RETURN(all.key, PrimaryKeyOf(connection_, table));
    RETURN_IF_ERROR(CopyRows(all));
  }
  return absl::OkStatus();
}

absl::Status KeepWhatGoes(RunSession& session, const StepTask& task, const ArchiveScope& scope,
                          pg::Connection& connection, Prepared& prepared) {
  RETURN_IF_ERROR(RefuseUnseen(task, scope.guard_is_silent));
  if (task.step.kind == StepKind::kPrivileged) return absl::OkStatus();
  Keeper keeper(session, task, connection, prepared);
  RETURN_IF_ERROR(keeper.KeepColumns());
  RETURN_IF_ERROR(
      keeper.KeepDeclared(scope.with_undeclared_rows || task.script.facts.has_hidden_code));
  RETURN_IF_ERROR(keeper.KeepRowsOfTablesThatGo());
  return keeper.KeepTables();
}

}  // namespace lockstep::migration
