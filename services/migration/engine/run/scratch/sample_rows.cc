#include "services/migration/engine/run/scratch/sample_rows.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/catalog/catalog_queries.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::migration {
namespace {

// What one table may take on its way.
constexpr std::int64_t kTableBytes = 64 << 20;

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

// How many bytes a row has, about; values that are kept apart count.
constexpr char kWidth[] =
    "SELECT coalesce(max((c.relpages + coalesce(t.relpages, 0)) * 8192.0"
    "                    / nullif(greatest(c.reltuples, 0), 0)), 100)::bigint AS bytes"
    "  FROM pg_class AS c LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid"
    " WHERE c.oid = to_regclass($1)";

struct Table {
  std::string name;                  // as SQL
  std::vector<std::string> columns;  // as SQL
};

struct Rows {
  std::string json;
  std::int64_t limit = kSampleRows;
};

absl::StatusOr<std::vector<Table>> ListTables(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   connection.Query(kTables, pg::ArrayLiteral(OwnedSchemas())));
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

absl::StatusOr<Rows> ReadInTransaction(pg::Connection& live, const Table& table) {
  ASSIGN_OR_RETURN(const pg::Result width, live.Query(kWidth, table.name));
  Rows rows;
  const std::int64_t bytes = std::max<std::int64_t>(1, width[0].Get<std::int64_t>("bytes"));
  rows.limit = std::clamp<std::int64_t>(kTableBytes / bytes, 1, kSampleRows);
  ASSIGN_OR_RETURN(
      const pg::Result read,
      live.Query(absl::StrCat("SELECT coalesce(json_agg(s), '[]')::text AS rows FROM (SELECT ",
                              absl::StrJoin(table.columns, ", "), " FROM ONLY ", table.name,
                              " LIMIT ", rows.limit, ") AS s")));
  rows.json = read[0].Text("rows");
  return rows;
}

// In a transaction of its own: what it holds of the live database ends with the table.
absl::StatusOr<Rows> ReadRows(pg::Connection& live, const Table& table) {
  RETURN_IF_ERROR(live.Script(kReadOnly).status());
  absl::StatusOr<Rows> rows = ReadInTransaction(live, table);
  const absl::Status ended = live.Script("ROLLBACK").status();
  if (rows.ok() && !ended.ok()) return ended;
  return rows;
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
  ASSIGN_OR_RETURN(const pg::Result sequences,
                   live.Query(kSequences, pg::ArrayLiteral(OwnedSchemas())));
  for (const pg::Row row : sequences) {
    RETURN_IF_ERROR(
        scratch
            .Query("SELECT setval(to_regclass($1), $2) WHERE to_regclass($1) IS NOT NULL",
                   std::string(row.Text("name")), row.Get<std::int64_t>("value"))
            .status());
  }
  return absl::OkStatus();
}

// Rows that the server refuses are left out: old ones that a CHECK which is not validated forbids,
// or of a table that is another one there.
absl::Status CopyTable(pg::Connection& live, pg::Connection& scratch, const Table& table,
                       Sample& sample) {
  const absl::StatusOr<Rows> rows = ReadRows(live, table);
  const absl::StatusOr<std::int64_t> count = rows.ok()
                                                 ? WriteRows(scratch, table, rows->json)
                                                 : absl::StatusOr<std::int64_t>(rows.status());
  if (!count.ok()) {
    if (pg::SqlStateOf(count.status()).empty()) return count.status();
    sample.skipped.push_back(table.name + ": " + DescribeDatabaseError(count.status()));
    return absl::OkStatus();
  }
  sample.rows += *count;
  ++sample.tables;
  if (*count == rows->limit) sample.cut.push_back(table.name);
  return absl::OkStatus();
}

absl::Status EmptyTables(pg::Connection& scratch, const std::vector<Table>& tables) {
  if (tables.empty()) return absl::OkStatus();
  const std::string names =
      absl::StrJoin(tables, ", ", [](std::string* out, const Table& table) { *out += table.name; });
  return scratch.Query("TRUNCATE " + names + " CASCADE").status();
}

}  // namespace

absl::StatusOr<Sample> CopySample(const Context& context, pg::Connection& live,
                                  pg::Connection& scratch) {
  live.SetIoDeadline(context.deadline());
  RETURN_IF_ERROR(SwitchChecksOff(scratch));
  ASSIGN_OR_RETURN(const std::vector<Table> tables, ListTables(scratch));
  // What revisions put there themselves is among the live rows.
  RETURN_IF_ERROR(EmptyTables(scratch, tables));
  Sample sample;
  for (const Table& table : tables) {
    RETURN_IF_ERROR(context.Check());
    if (!table.columns.empty()) RETURN_IF_ERROR(CopyTable(live, scratch, table, sample));
  }
  RETURN_IF_ERROR(CopySequences(live, scratch));
  RETURN_IF_ERROR(scratch.Query("RESET session_replication_role").status());
  RETURN_IF_ERROR(scratch.Query("ANALYZE").status());
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
      std::string column = table.columns[i];
      std::erase(column, '"');
      facts["values of " + column] = rows[0].Text(absl::StrCat("c", i));
    }
    std::string name = table.name;
    std::erase(name, '"');
    image.objects[{"rows", name}] = JsonText(facts);
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration
