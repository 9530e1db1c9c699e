#include "services/migration/engine/run/archive.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/holdings.h"
#include "services/migration/engine/run/statement_text.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

using pg::QuoteIdentifier;
using pg::QuoteLiteral;

std::vector<std::string> QuotedAll(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back(QuoteIdentifier(name));
  return quoted;
}

absl::Status Impossible(const StepTask& task, const std::string& table, const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_IMPOSSIBLE",
               task.text() + ": " + table + " cannot be archived: " + why)
      .With("table", std::string_view(table));
}

class Keeper {
 public:
  Keeper(RunSession& session, const StepTask& task, pg::Connection& connection, Prepared& prepared)
      : session_(session), task_(task), connection_(connection), prepared_(prepared) {}

  absl::Status KeepColumns();
  absl::Status KeepDeclared(bool with_undeclared_rows);
  // Rows that the script itself deletes or changes in a table that an undo of the revision drops
  // need no declaration, but they would be gone before the table is kept.
  absl::Status KeepRowsOfTablesThatGo();
  absl::Status KeepTables();

 private:
  absl::StatusOr<bool> Exists(const std::string& table);
  // The columns of its primary key, in order.
  absl::StatusOr<std::vector<std::string>> KeyOf(const std::string& table);
  absl::StatusOr<std::string> NewSchema();
  absl::Status CopyColumns(const std::string& table, const std::vector<std::string>& columns);
  absl::Status CopyRows(const DestroyedData& data);
  absl::StatusOr<std::int64_t> Copy(const std::string& schema, const std::string& table,
                                    const std::string& columns, const std::string& where);
  absl::StatusOr<std::vector<std::string>> MoveTable(const std::string& table, bool cascades);
  void Record(const std::string& schema, std::string_view kind, const std::string& table,
              std::int64_t rows, const std::string& restore);

  RunSession& session_;
  const StepTask& task_;
  pg::Connection& connection_;
  Prepared& prepared_;
  std::string archive_id_;
};

absl::StatusOr<bool> Keeper::Exists(const std::string& table) {
  ASSIGN_OR_RETURN(
      pg::Result result,
      connection_.Query("SELECT to_regclass($1) IS NOT NULL AS is_there", QuotedName(table)));
  return result[0].Get<bool>("is_there");
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
                 task_.text() +
                     ": the migrator may not create schemas in this database; run "
                     "`lockstep bootstrap` on it and try again");
  }
  RETURN_IF_ERROR(created);
  prepared_.extra_schemas.push_back(schema);
  prepared_.record_sql +=
      "REVOKE CREATE ON SCHEMA " + schema + " FROM " + QuoteIdentifier(role) + ";\n";
  return schema;
}

absl::StatusOr<std::int64_t> Keeper::Copy(const std::string& schema, const std::string& table,
                                          const std::string& columns, const std::string& where) {
  ASSIGN_OR_RETURN(
      pg::Result copied,
      connection_.Query("CREATE TABLE " + schema + "." + QuoteIdentifier(BareName(table)) +
                        " AS SELECT " + columns + " FROM " + QuotedName(table) + where));
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

absl::StatusOr<std::vector<std::string>> Keeper::KeyOf(const std::string& table) {
  ASSIGN_OR_RETURN(
      pg::Result key,
      connection_.Query(
          "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
          "   AND a.attnum = ANY (i.indkey::smallint[])"
          " WHERE i.indisprimary AND i.indrelid = to_regclass($1)"
          " ORDER BY array_position(i.indkey::smallint[], a.attnum)",
          QuotedName(table)));
  std::vector<std::string> names;
  for (const pg::Row row : key) names.push_back(row.Text("attname"));
  return names;
}

absl::Status Keeper::CopyColumns(const std::string& table,
                                 const std::vector<std::string>& columns) {
  std::vector<std::string> filled;
  for (const std::string& column : columns)
    filled.push_back(QuoteIdentifier(column) + " IS NOT NULL");
  const std::string where = " WHERE " + absl::StrJoin(filled, " OR ");
  ASSIGN_OR_RETURN(pg::Result any,
                   connection_.Query("SELECT EXISTS (SELECT FROM " + QuotedName(table) + where +
                                     ") AS has_values"));
  if (!any[0].Get<bool>("has_values")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> key, KeyOf(table));
  if (key.empty()) {
    return Impossible(task_, table,
                      "it has no primary key, so values of single columns could never go back");
  }
  std::vector<std::string> kept;
  std::vector<std::string> joins;
  for (const std::string& name : QuotedAll(key)) {
    kept.push_back(name);
    joins.push_back("t." + name + " = kept." + name);
  }
  std::vector<std::string> sets;
  for (const std::string& column : columns) {
    const std::string name = QuoteIdentifier(column);
    if (std::find(kept.begin(), kept.end(), name) == kept.end()) kept.push_back(name);
    sets.push_back(name + " = kept." + name);
  }
  ASSIGN_OR_RETURN(const std::string schema, NewSchema());
  ASSIGN_OR_RETURN(const std::int64_t rows, Copy(schema, table, absl::StrJoin(kept, ", "), where));
  Record(schema, "columns", table, rows,
         "UPDATE " + QuotedName(table) + " AS t SET " + absl::StrJoin(sets, ", ") + " FROM " +
             schema + "." + QuoteIdentifier(BareName(table)) + " AS kept WHERE " +
             absl::StrJoin(joins, " AND ") + ";");
  return absl::OkStatus();
}

absl::Status Keeper::KeepColumns() {
  std::map<std::string, std::vector<std::string>> by_table;
  const std::vector<std::string>& dropped = task_.script.facts.tables_dropped;
  for (const ColumnName& column : task_.script.facts.columns_dropped) {
    if (std::find(dropped.begin(), dropped.end(), column.table) == dropped.end()) {
      by_table[column.table].push_back(column.column);
    }
  }
  for (const auto& [table, names] : by_table) {
    // DROP COLUMN IF EXISTS may name what is not there.
    ASSIGN_OR_RETURN(
        pg::Result there,
        connection_.Query("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1)"
                          "   AND attname = ANY ($2::text[]) AND NOT attisdropped ORDER BY attnum",
                          QuotedName(table), pg::ArrayLiteral(names)));
    std::vector<std::string> columns;
    for (const pg::Row row : there) columns.push_back(row.Text("attname"));
    if (!columns.empty()) RETURN_IF_ERROR(CopyColumns(table, columns));
  }
  return absl::OkStatus();
}

absl::Status Keeper::CopyRows(const DestroyedData& data) {
  const std::string where = data.where.empty() ? "" : " WHERE " + data.where;
  ASSIGN_OR_RETURN(pg::Result any,
                   connection_.Query("SELECT EXISTS (SELECT FROM " + QuotedName(data.table) +
                                     where + ") AS has_rows"));
  if (!any[0].Get<bool>("has_rows")) return absl::OkStatus();
  if (data.key.empty()) return Impossible(task_, data.table, "nothing identifies its rows");
  ASSIGN_OR_RETURN(const std::string schema, NewSchema());
  const std::string kept_as = schema + "." + QuoteIdentifier(BareName(data.table));
  if (data.columns.empty()) {
    // By name: the table may have more columns, or others in between, when the rows come back.
    ASSIGN_OR_RETURN(pg::Result names,
                     connection_.Query("SELECT string_agg(quote_ident(attname), ', ' ORDER BY "
                                       "attnum) AS list FROM pg_attribute"
                                       " WHERE attrelid = to_regclass($1) AND attnum > 0"
                                       "   AND NOT attisdropped AND attgenerated = ''",
                                       QuotedName(data.table)));
    const std::string list = names[0].Text("list");
    ASSIGN_OR_RETURN(const std::int64_t rows, Copy(schema, data.table, list, where));
    Record(schema, "rows", data.table, rows,
           "INSERT INTO " + QuotedName(data.table) + " (" + list +
               ") OVERRIDING SYSTEM VALUE SELECT " + list + " FROM " + kept_as + " ON CONFLICT (" +
               absl::StrJoin(QuotedAll(data.key), ", ") + ") DO NOTHING;");
    return absl::OkStatus();
  }
  std::vector<std::string> kept = QuotedAll(data.key);
  std::vector<std::string> joins;
  for (const std::string& name : kept) joins.push_back("t." + name + " = kept." + name);
  std::vector<std::string> sets;
  for (const std::string& name : QuotedAll(data.columns)) {
    if (std::find(kept.begin(), kept.end(), name) == kept.end()) kept.push_back(name);
    sets.push_back(name + " = kept." + name);
  }
  ASSIGN_OR_RETURN(const std::int64_t rows,
                   Copy(schema, data.table, absl::StrJoin(kept, ", "), where));
  Record(schema, "columns", data.table, rows,
         "UPDATE " + QuotedName(data.table) + " AS t SET " + absl::StrJoin(sets, ", ") + " FROM " +
             kept_as + " AS kept WHERE " + absl::StrJoin(joins, " AND ") + ";");
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
  for (const std::string& table : task_.script.facts.rows_destroyed_in) {
    const bool is_declared =
        std::any_of(task_.revision.destroys.begin(), task_.revision.destroys.end(),
                    [&](const DestroyedData& data) { return data.table == table; });
    if (is_declared) continue;
    ASSIGN_OR_RETURN(const bool exists, Exists(table));
    if (!exists) continue;
    DestroyedData all{.table = table, .key = {}, .columns = {}, .where = ""};
    ASSIGN_OR_RETURN(all.key, KeyOf(table));
    RETURN_IF_ERROR(CopyRows(all));
  }
  return absl::OkStatus();
}

// The statements that take the place of DROP TABLE: constraints that would tie the archive to
// living tables go, then the table moves. What DROP TABLE would refuse is refused as well.
absl::StatusOr<std::vector<std::string>> Keeper::MoveTable(const std::string& table,
                                                           bool cascades) {
  const std::string regclass = QuoteLiteral(QuotedName(table)) + "::regclass";
  ASSIGN_OR_RETURN(
      pg::Result facts,
      connection_.Query(
          "SELECT c.relkind::text AS kind, c.relispartition AS is_part,"
          "  (SELECT coalesce(string_agg(format('ALTER TABLE %s ADD CONSTRAINT %I %s;', $2::text, "
          "k.conname,"
          "                                     pg_get_constraintdef(k.oid)), ' ' ORDER BY "
          "k.conname), '')"
          "     FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f') AS keys"
          "  FROM pg_class c WHERE c.oid = to_regclass($1)",
          QuotedName(table), QuotedName(table)));
  if (facts[0].Text("kind") != "r" || facts[0].Get<bool>("is_part")) {
    return Impossible(task_, table, "it is partitioned");
  }
  ASSIGN_OR_RETURN(pg::Result counted,
                   connection_.Query("SELECT count(*) AS rows FROM " + QuotedName(table)));
  ASSIGN_OR_RETURN(const std::string schema, NewSchema());
  const std::size_t dot = table.find('.');
  Record(schema, "table", table, counted[0].Get<std::int64_t>("rows"),
         "ALTER TABLE " + schema + "." + QuoteIdentifier(BareName(table)) + " SET SCHEMA " +
             QuoteIdentifier(table.substr(0, dot)) + "; " + facts[0].Text("keys"));
  const std::string incoming =
      cascades
          ? "EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname);"
          : "RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('cannot drop table " +
                table + ": constraint %s of %s refers to it', k.conname, k.conrelid::regclass);";
  return std::vector<std::string>{
      "DO $archive$ DECLARE k record; BEGIN\n"
      "  FOR k IN SELECT conrelid, conname FROM pg_constraint WHERE contype = 'f' AND confrelid "
      "= " +
          regclass + " AND conrelid <> " + regclass + " LOOP " + incoming +
          " END LOOP;\n"
          "  FOR k IN SELECT DISTINCT r.ev_class::regclass AS name FROM pg_depend d JOIN "
          "pg_rewrite r ON r.oid = d.objid"
          " WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND "
          "d.refobjid = " +
          regclass + " AND r.ev_class <> " + regclass +
          " LOOP RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('cannot move table " +
          table +
          " to the archive: view %s depends on it', k.name); END LOOP;\n"
          "  FOR k IN SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = " +
          regclass + " LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', " + regclass +
          ", k.conname); END LOOP;\nEND $archive$",
      "ALTER TABLE " + QuotedName(table) + " SET SCHEMA " + schema};
}

absl::Status Keeper::KeepTables() {
  std::vector<std::string> statements;
  for (const std::string& statement : task_.script.statements) {
    ASSIGN_OR_RETURN(const Script alone, ReadScript(task_.script.file, statement));
    if (alone.facts.tags != std::vector<std::string>{"DROP TABLE"}) {
      statements.push_back(statement);
      continue;
    }
    const bool cascades = HasWords(statement, " cascade");
    std::vector<std::string> dropped;
    for (const std::string& table : alone.facts.tables_dropped) {
      ASSIGN_OR_RETURN(const bool exists, Exists(table));
      bool has_rows = false;
      if (exists) {
        ASSIGN_OR_RETURN(pg::Result any, connection_.Query("SELECT EXISTS (SELECT FROM " +
                                                           QuotedName(table) + ") AS has_rows"));
        has_rows = any[0].Get<bool>("has_rows");
      }
      if (!has_rows) {
        dropped.push_back(QuotedName(table));
        continue;
      }
      ASSIGN_OR_RETURN(const std::vector<std::string> move, MoveTable(table, cascades));
      statements.insert(statements.end(), move.begin(), move.end());
    }
    if (!dropped.empty()) {
      statements.push_back(std::string("DROP TABLE ") +
                           (HasWords(statement, " if exists ") ? "IF EXISTS " : "") +
                           absl::StrJoin(dropped, ", ") + (cascades ? " CASCADE" : ""));
    }
  }
  prepared_.statements = std::move(statements);
  return absl::OkStatus();
}

}  // namespace

absl::Status KeepWhatGoes(RunSession& session, const StepTask& task, const ArchiveScope& scope,
                          pg::Connection& connection, Prepared& prepared) {
  if (task.script.is_opaque) {
    return Impossible(task, task.script.file, "the parser cannot tell what this script destroys");
  }
  if (task.step.kind == StepKind::kPrivileged) {
    if (scope.guard_is_silent || !TakesAway(task.script)) return absl::OkStatus();
    return Impossible(task, task.script.file, "an administrator's statements run as they are");
  }
  const bool hides = task.script.facts.has_hidden_code;
  if (hides && task.revision.destroys.empty() && !scope.guard_is_silent) {
    return Impossible(
        task, task.script.file,
        "it hides what it destroys, and the revision declares nothing under destroys");
  }
  Keeper keeper(session, task, connection, prepared);
  RETURN_IF_ERROR(keeper.KeepColumns());
  RETURN_IF_ERROR(keeper.KeepDeclared(scope.with_undeclared_rows || hides));
  RETURN_IF_ERROR(keeper.KeepRowsOfTablesThatGo());
  return keeper.KeepTables();
}

}  // namespace lockstep::migration
