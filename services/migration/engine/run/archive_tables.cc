#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive_keeper.h"
#include "services/migration/engine/run/archive_restore_sql.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/statement_text.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

// What ties a table to those that stay goes; what DROP TABLE would refuse is refused as well. Of a
// partitioned table's constraints only the topmost can be dropped.
constexpr char kRelease[] = R"sql(DO $archive$
DECLARE
    v_table regclass := TABLE_TEXT::regclass;
    v_together oid[] := ARRAY(SELECT to_regclass(t)::oid FROM unnest(TOGETHER) AS t);
    k record;
BEGIN
    FOR k IN SELECT conrelid, conname FROM pg_constraint
              WHERE contype = 'f' AND confrelid = v_table AND conrelid <> v_table AND conparentid = 0
    LOOP
        IF NOT (CASCADES OR k.conrelid = ANY (v_together)) THEN
            RAISE EXCEPTION USING ERRCODE = '2BP01',
                MESSAGE = format('cannot drop table %s: constraint %s of %s refers to it', TABLE_NAME, k.conname,
                                 k.conrelid::regclass);
        END IF;
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname);
    END LOOP;
    FOR k IN SELECT DISTINCT r.ev_class::regclass::text AS name, c.relkind = 'm' AS is_materialized
               FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
              WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
                AND d.refobjid = v_table AND r.ev_class <> v_table
    LOOP
        IF NOT CASCADES THEN
            RAISE EXCEPTION USING ERRCODE = '2BP01',
                MESSAGE = format('cannot move table %s to the archive: view %s depends on it', TABLE_NAME, k.name);
        END IF;
        EXECUTE format('DROP %s IF EXISTS %s CASCADE',
                       CASE WHEN k.is_materialized THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, k.name);
    END LOOP;
    FOR k IN SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = v_table AND conparentid = 0 LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_table, k.conname);
    END LOOP;
END $archive$)sql";

std::vector<std::string> AllQuoted(const std::vector<std::string>& tables) {
  std::vector<std::string> quoted;
  for (const std::string& table : tables) quoted.push_back(QuotedName(table));
  return quoted;
}

}  // namespace

// The statements that take the place of DROP TABLE.
absl::StatusOr<std::vector<std::string>> Keeper::MoveTable(
    const std::string& table, bool cascades, const std::vector<std::string>& together) {
  ASSIGN_OR_RETURN(pg::Result counted,
                   connection_.Query("SELECT count(*) AS rows FROM " + QuotedName(table)));
  ASSIGN_OR_RETURN(const std::string schema, NewSchema());
  Record(schema, "table", table, counted[0].Get<std::int64_t>("rows"),
         RestoreRowsSql(table, schema + "." + BareName(table), {}));
  return std::vector<std::string>{
      absl::StrReplaceAll(kRelease, {{"TABLE_TEXT", QuoteLiteral(QuotedName(table))},
                                     {"TABLE_NAME", QuoteLiteral(table)},
                                     {"TOGETHER", TextArraySql(AllQuoted(together))},
                                     {"CASCADES", cascades ? "true" : "false"}}),
      "ALTER TABLE " + QuotedName(table) + " SET SCHEMA " + schema};
}

absl::Status Keeper::KeepDropped(const std::string& statement,
                                 const std::vector<std::string>& tables,
                                 std::vector<std::string>& statements) {
  const bool cascades = HasWords(statement, " cascade");
  std::vector<std::string> dropped;
  for (const std::string& table : tables) {
    ASSIGN_OR_RETURN(const bool exists, Exists(table));
    bool has_rows = false;
    if (exists) {
      ASSIGN_OR_RETURN(has_rows, HasRows(table, ""));
    }
    if (!has_rows) {
      dropped.push_back(QuotedName(table));
      continue;
    }
    ASSIGN_OR_RETURN(
        pg::Result facts,
        connection_.Query("SELECT c.relkind = 'r' AND NOT c.relispartition AS is_plain,"
                          "  EXISTS (SELECT FROM pg_partition_ancestors(c.oid) AS a"
                          "           WHERE c.relispartition AND a.relid <> c.oid"
                          "             AND a.relid = ANY (SELECT to_regclass(t)::oid"
                          "                                  FROM unnest($2::text[]) AS t))"
                          "    AS goes_with_parent"
                          "  FROM pg_class c WHERE c.oid = to_regclass($1)",
                          QuotedName(table),
                          pg::ArrayLiteral(AllQuoted(task_.script.facts.tables_dropped))));
    if (facts[0].Get<bool>("is_plain")) {
      ASSIGN_OR_RETURN(const std::vector<std::string> move, MoveTable(table, cascades, tables));
      statements.insert(statements.end(), move.begin(), move.end());
      continue;
    }
    // A copy of the parent has the rows of its partitions.
    if (!facts[0].Get<bool>("goes_with_parent")) {
      ASSIGN_OR_RETURN(const std::string schema, NewSchema());
      ASSIGN_OR_RETURN(const std::int64_t rows, Copy(schema, table, {}, ""));
      Record(schema, "table", table, rows,
             RestoreRowsSql(table, schema + "." + BareName(table), {}));
    }
    dropped.push_back(QuotedName(table));
  }
  if (!dropped.empty()) {
    statements.push_back(std::string("DROP TABLE ") +
                         (HasWords(statement, " if exists ") ? "IF EXISTS " : "") +
                         absl::StrJoin(dropped, ", ") + (cascades ? " CASCADE" : ""));
  }
  return absl::OkStatus();
}

absl::Status Keeper::KeepTables() {
  std::vector<std::string> statements;
  for (const std::string& statement : task_.script.statements) {
    ASSIGN_OR_RETURN(const Script alone, ReadScript(task_.script.file, statement));
    if (alone.facts.tags != std::vector<std::string>{"DROP TABLE"}) {
      statements.push_back(statement);
      continue;
    }
    RETURN_IF_ERROR(KeepDropped(statement, alone.facts.tables_dropped, statements));
  }
  prepared_.statements = std::move(statements);
  return absl::OkStatus();
}

}  // namespace lockstep::migration
