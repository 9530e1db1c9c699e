#include "services/migration/engine/run/scratch/sample_rows.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

// Tables that hold rows themselves, with the columns that can be written.
constexpr char kTables[] = R"sql(
SELECT n.nspname::text AS schema, c.relname::text AS name,
       (SELECT string_agg(quote_ident(a.attname), E'\x01' ORDER BY a.attnum) FROM pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname = ANY ($1::text[])
 ORDER BY 1, 2)sql";

constexpr char kSequences[] =
    "SELECT quote_ident(s.schemaname) || '.' || quote_ident(s.sequencename) AS name,"
    "       s.last_value AS value FROM pg_sequences AS s"
    " WHERE s.schemaname = ANY ($1::text[]) AND s.last_value IS NOT NULL";

constexpr char kReadOnly[] =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '60s';"
    " SET LOCAL lock_timeout = '200ms'; SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = "
    "3; SET LOCAL row_security = off";

struct Table {
  std::string name;                  // as SQL
  std::vector<std::string> columns;  // as SQL
};

std::string OwnedSchemas() {
  std::vector<std::string> schemas;
  for (const std::string_view service : Services()) {
    for (const std::string_view schema : SchemasOf(service)) {
      if (schema != kLedgerSchema) schemas.emplace_back(schema);
    }
  }
  return pg::ArrayLiteral(schemas);
}

absl::StatusOr<std::vector<Table>> ListTables(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kTables, OwnedSchemas()));
  std::vector<Table> tables;
  for (const pg::Row row : rows) {
    Table& table = tables.emplace_back();
    table.name = pg::QuoteIdentifier(std::string(row.Text("schema"))) + "." +
                 pg::QuoteIdentifier(std::string(row.Text("name")));
    const std::string joined = row.OptionalText("columns").value_or("");
    for (std::size_t begin = 0; begin < joined.size();) {
      const std::size_t end = std::min(joined.find('\x01', begin), joined.size());
      table.columns.push_back(joined.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return tables;
}

// nullopt: it could not be read without waiting.
absl::StatusOr<std::optional<std::string>> ReadRows(pg::Connection& live, const Table& table) {
  RETURN_IF_ERROR(live.Script("SAVEPOINT table_sample").status());
  const absl::StatusOr<pg::Result> rows =
      live.Query(absl::StrCat("SELECT coalesce(json_agg(s), '[]')::text AS rows FROM (SELECT ",
                              absl::StrJoin(table.columns, ", "), " FROM ONLY ", table.name,
                              " LIMIT ", kSampleRows, ") AS s"));
  if (rows.ok()) {
    RETURN_IF_ERROR(live.Script("RELEASE SAVEPOINT table_sample").status());
    return std::optional<std::string>((*rows)[0].Text("rows"));
  }
  if (pg::SqlStateOf(rows.status()) != "55P03") return rows.status();
  RETURN_IF_ERROR(live.Script("ROLLBACK TO SAVEPOINT table_sample").status());
  return std::optional<std::string>();
}

absl::StatusOr<std::int64_t> WriteRows(pg::Connection& scratch, const Table& table,
                                       const std::string& rows) {
  const std::string columns = absl::StrJoin(table.columns, ", ");
  ASSIGN_OR_RETURN(
      const pg::Result written,
      scratch.Query(absl::StrCat("WITH copied AS (INSERT INTO ", table.name, " (", columns,
                                 ") OVERRIDING SYSTEM VALUE SELECT ", columns,
                                 " FROM json_populate_recordset(NULL::", table.name,
                                 ", $1::json) RETURNING 1) SELECT count(*) AS n FROM copied"),
                    rows));
  return written[0].Get<std::int64_t>("n");
}

absl::Status SwitchChecksOff(pg::Connection& scratch) {
  const absl::Status done = scratch.Query("SET session_replication_role = replica").status();
  if (pg::SqlStateOf(done) != "42501") return done;
  return Error(absl::StatusCode::kPermissionDenied, "SAMPLE_NOT_PERMITTED",
               "the administrator may not set session_replication_role, so no rows can be copied");
}

absl::Status CopySequences(pg::Connection& live, pg::Connection& scratch) {
  ASSIGN_OR_RETURN(const pg::Result sequences, live.Query(kSequences, OwnedSchemas()));
  for (const pg::Row row : sequences) {
    RETURN_IF_ERROR(scratch
                        .Query("SELECT setval($1::regclass, $2)", std::string(row.Text("name")),
                               row.Get<std::int64_t>("value"))
                        .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<Sample> CopyTables(pg::Connection& live, pg::Connection& scratch) {
  ASSIGN_OR_RETURN(const std::vector<Table> tables, ListTables(scratch));
  // What revisions put there themselves is among the live rows.
  if (!tables.empty()) {
    const std::string names = absl::StrJoin(
        tables, ", ", [](std::string* out, const Table& table) { *out += table.name; });
    RETURN_IF_ERROR(scratch.Query("TRUNCATE " + names).status());
  }
  Sample sample;
  for (const Table& table : tables) {
    if (table.columns.empty()) continue;
    ASSIGN_OR_RETURN(const std::optional<std::string> rows, ReadRows(live, table));
    if (!rows.has_value()) {
      sample.skipped.push_back(table.name);
      continue;
    }
    ASSIGN_OR_RETURN(const std::int64_t count, WriteRows(scratch, table, *rows));
    sample.rows += count;
    ++sample.tables;
    if (count == kSampleRows) sample.cut.push_back(table.name);
  }
  RETURN_IF_ERROR(CopySequences(live, scratch));
  return sample;
}

}  // namespace

absl::StatusOr<Sample> CopySample(pg::Connection& live, pg::Connection& scratch) {
  RETURN_IF_ERROR(SwitchChecksOff(scratch));
  RETURN_IF_ERROR(live.Script(kReadOnly).status());
  absl::StatusOr<Sample> sample = CopyTables(live, scratch);
  const absl::Status ended = live.Script("ROLLBACK").status();
  if (!sample.ok()) return sample;
  RETURN_IF_ERROR(ended);
  RETURN_IF_ERROR(scratch.Script("RESET session_replication_role; ANALYZE").status());
  return sample;
}

absl::Status AddRows(pg::Connection& connection, CatalogImage& image) {
  ASSIGN_OR_RETURN(const std::vector<Table> tables, ListTables(connection));
  for (const Table& table : tables) {
    std::string query = "SELECT count(*) AS n";
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      absl::StrAppend(&query, ", coalesce(sum(hashtextextended(", table.columns[i],
                      "::text, 0)::numeric), 0)::text || ' ' || count(", table.columns[i], ") AS c",
                      i);
    }
    ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(query + " FROM ONLY " + table.name));
    nlohmann::json facts = {{"count", rows[0].Get<std::int64_t>("n")}};
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      facts["values of " + table.columns[i]] = rows[0].Text(absl::StrCat("c", i));
    }
    std::string name = table.name;
    std::erase(name, '"');
    image.objects[{"rows", name}] = JsonText(facts);
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration
