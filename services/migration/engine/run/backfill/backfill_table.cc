#include "services/migration/engine/run/backfill/backfill_table.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/backfill.h"

namespace lockstep::migration {
namespace {

// Types whose text reads back as the same value, whatever the session's settings for output.
constexpr std::array<const char*, 10> kKeyTypes = {"int2",      "int4",       "int8",    "uuid",
                                                   "text",      "varchar",    "numeric", "date",
                                                   "timestamp", "timestamptz"};

absl::Status Invalid(const Backfill& backfill, const std::string& what) {
  return Error(absl::StatusCode::kFailedPrecondition, "BACKFILL_INVALID",
               "backfill of " + backfill.table + ": " + what)
      .With("table", std::string_view(backfill.table));
}

struct Column {
  int number = 0;
  std::string type;
  std::string base_type;
  bool is_not_null = false;
  bool is_generated = false;
  bool has_default = false;
};

absl::StatusOr<std::map<std::string, Column>> LoadColumns(pg::Connection& connection,
                                                          std::int64_t oid) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT a.attname, a.attnum::integer AS number, a.attnotnull AS is_not_null,"
                       " a.attgenerated <> '' AS is_generated,"
                       " a.atthasdef OR a.attidentity <> '' AS has_default,"
                       " format_type(a.atttypid, a.atttypmod) AS type, t.typname AS base_type"
                       " FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid"
                       " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped",
                       oid));
  std::map<std::string, Column> columns;
  for (const pg::Row row : rows) {
    columns[row.Text("attname")] = {.number = row.Get<std::int32_t>("number"),
                                    .type = row.Text("type"),
                                    .base_type = row.Text("base_type"),
                                    .is_not_null = row.Get<bool>("is_not_null"),
                                    .is_generated = row.Get<bool>("is_generated"),
                                    .has_default = row.Get<bool>("has_default")};
  }
  return columns;
}

absl::StatusOr<std::vector<std::string>> TypesOf(const Backfill& backfill,
                                                 const std::map<std::string, Column>& columns,
                                                 const std::vector<ColumnExpression>& wanted) {
  std::vector<std::string> types;
  for (const ColumnExpression& column : wanted) {
    const auto found = columns.find(column.column);
    if (found == columns.end()) return Invalid(backfill, "there is no column " + column.column);
    types.push_back(found->second.type);
  }
  return types;
}

absl::Status CheckKey(pg::Connection& connection, const Backfill& backfill, std::int64_t oid,
                      const std::map<std::string, Column>& columns,
                      std::vector<std::string>& types) {
  std::vector<std::string> numbers;
  for (const std::string& name : backfill.key) {
    const auto found = columns.find(name);
    if (found == columns.end()) return Invalid(backfill, "there is no key column " + name);
    const Column& column = found->second;
    if (!column.is_not_null) {
      return Invalid(backfill, "key column " + name + " may be NULL; such rows are in no range");
    }
    if (std::find(kKeyTypes.begin(), kKeyTypes.end(), column.base_type) == kKeyTypes.end()) {
      return Invalid(backfill, "key column " + name + " is of type " + column.type +
                                   "; a key is made of " + absl::StrJoin(kKeyTypes, ", "));
    }
    types.push_back(column.type);
    numbers.push_back(std::to_string(column.number));
  }
  ASSIGN_OR_RETURN(
      pg::Result unique,
      connection.Query("SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
                       " JOIN pg_am AS m ON m.oid = c.relam WHERE i.indrelid = $1::oid"
                       " AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
                       " AND i.indimmediate AND m.amname = 'btree'"
                       " AND (i.indkey::smallint[])[0:i.indnkeyatts - 1] = $2::smallint[]",
                       oid, "{" + absl::StrJoin(numbers, ",") + "}"));
  if (!unique.empty()) return absl::OkStatus();
  return Invalid(backfill, "no unique index has exactly the columns (" +
                               absl::StrJoin(backfill.key, ", ") + "), in this order");
}

// What only the catalog knows of the expressions.
absl::Status CheckExpressions(pg::Connection& connection, const Backfill& backfill,
                              const std::map<std::string, Column>& columns) {
  std::set<std::string> names = ColumnsOf(backfill.where);
  std::set<std::string> called = FunctionsOf(backfill.where);
  for (const auto* list : {&backfill.set, &backfill.set_back}) {
    for (const ColumnExpression& column : *list) {
      names.insert(column.column);
      names.merge(ColumnsOf(column.expression));
      called.merge(FunctionsOf(column.expression));
    }
  }
  for (const std::string& name : names) {
    const auto found = columns.find(name);
    if (found != columns.end() && found->second.is_generated) {
      return Invalid(backfill, name + " is a generated column: a trigger sees no value in it");
    }
  }
  for (const ColumnExpression& column : backfill.set) {
    const auto found = columns.find(column.column);
    if (!backfill.set_back.empty() && found != columns.end() && found->second.has_default) {
      return Invalid(backfill, column.column +
                                   " has a default; with set_back NULL has to mean \"not "
                                   "filled yet\"");
    }
  }
  const std::vector<std::string> functions(called.begin(), called.end());
  ASSIGN_OR_RETURN(pg::Result moods,
                   connection.Query("SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace ="
                                    " 'pg_catalog'::regnamespace AND p.provolatile = 'v'"
                                    " AND p.proname = ANY ($1::text[]) ORDER BY p.proname LIMIT 1",
                                    pg::ArrayLiteral(functions)));
  if (moods.empty()) return absl::OkStatus();
  return Invalid(backfill,
                 moods[0].Text("proname") +
                     "() gives another value with every call, so nothing could be verified");
}

// A table whose rows the batches could not all see, or whose trigger would not see all writes.
absl::Status CheckKind(const Backfill& backfill, const pg::Row& row) {
  const std::string kind = row.Text("kind");
  if (kind != "r" && kind != "p") return Invalid(backfill, "it is not a table");
  if (row.Get<bool>("has_children")) {
    return Invalid(backfill,
                   "tables inherit from it; a unique index and a trigger do not reach them");
  }
  if (row.Get<bool>("forces_policies")) {
    return Invalid(backfill, "FORCE ROW LEVEL SECURITY hides rows from its owner as well");
  }
  if (kind == "p" && !backfill.set_back.empty()) {
    return Invalid(backfill,
                   "set_back does not work on a partitioned table: a row that moves between "
                   "partitions is a new one to the trigger");
  }
  return absl::OkStatus();
}

// What the planner believes; a table that was never analysed is counted.
absl::StatusOr<std::int64_t> AboutHowManyRows(pg::Connection& connection,
                                              const BackfillTable& table) {
  ASSIGN_OR_RETURN(
      pg::Result known,
      connection.Query("SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint AS rows"
                       " FROM pg_class AS c"
                       " WHERE c.relkind = 'r' AND (c.oid = $1::oid OR c.oid IN"
                       " (SELECT p.relid FROM pg_partition_tree($1::oid::regclass) AS p))",
                       table.oid));
  if (known[0].Get<std::int64_t>("rows") > 0) return known[0].Get<std::int64_t>("rows");
  const auto counted =
      connection.Query("SELECT count(*) AS rows FROM " + QuotedTableName(table.backfill->table));
  // Too many to count in time: then nobody knows, and no time is promised.
  if (!counted.ok() && pg::SqlStateOf(counted.status()) == "57014") return 0;
  RETURN_IF_ERROR(counted.status());
  return (*counted)[0].Get<std::int64_t>("rows");
}

std::string KeyColumns(const BackfillTable& table) {
  std::string sql;
  for (std::size_t i = 0; i < table.backfill->key.size(); ++i) {
    absl::StrAppend(&sql, i == 0 ? "" : ", ", QuotedColumn(table.backfill->key[i]),
                    "::text AS lockstep_key_", i);
  }
  return sql;
}

// Key columns one by one: ORDER BY (a, b) would sort by a row and use no index.
std::string OrderSql(const BackfillTable& table, const std::string& direction) {
  return absl::StrJoin(table.backfill->key, ", ", [&](std::string* out, const std::string& column) {
    absl::StrAppend(out, QuotedColumn(column), direction);
  });
}

KeyValues ReadKey(const BackfillTable& table, const pg::Row& row) {
  KeyValues key;
  for (std::size_t i = 0; i < table.backfill->key.size(); ++i) {
    key.push_back(row.Text("lockstep_key_" + std::to_string(i)));
  }
  return key;
}

absl::StatusOr<std::optional<KeyValues>> LoadEdge(pg::Connection& connection,
                                                  const BackfillTable& table,
                                                  const std::string& condition,
                                                  const std::string& direction) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(absl::StrCat(
                                        "SELECT ", KeyColumns(table), " FROM ",
                                        QuotedTableName(table.backfill->table), condition,
                                        " ORDER BY ", OrderSql(table, direction), " LIMIT 1")));
  if (rows.empty()) return std::nullopt;
  return ReadKey(table, rows[0]);
}

}  // namespace

absl::StatusOr<BackfillTable> LoadBackfillTable(pg::Connection& connection,
                                                const Backfill& backfill) {
  BackfillTable table;
  table.backfill = &backfill;
  ASSIGN_OR_RETURN(
      pg::Result found,
      connection.Query("SELECT c.oid::bigint AS oid, c.relkind::text AS kind,"
                       " c.relforcerowsecurity AS forces_policies, c.relkind = 'r' AND EXISTS"
                       " (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid) AS has_children"
                       " FROM pg_class AS c WHERE c.oid = to_regclass($1)",
                       QuotedTableName(backfill.table)));
  if (found.empty()) return Invalid(backfill, "there is no such table");
  RETURN_IF_ERROR(CheckKind(backfill, found[0]));
  table.oid = found[0].Get<std::int64_t>("oid");
  ASSIGN_OR_RETURN(const auto columns, LoadColumns(connection, table.oid));
  RETURN_IF_ERROR(CheckKey(connection, backfill, table.oid, columns, table.key_types));
  ASSIGN_OR_RETURN(table.set_types, TypesOf(backfill, columns, backfill.set));
  ASSIGN_OR_RETURN(table.back_types, TypesOf(backfill, columns, backfill.set_back));
  RETURN_IF_ERROR(CheckExpressions(connection, backfill, columns));
  ASSIGN_OR_RETURN(table.rows, AboutHowManyRows(connection, table));
  return table;
}

std::string KeyLiteral(const BackfillTable& table, const KeyValues& key) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < key.size(); ++i) {
    parts.push_back(pg::QuoteLiteral(key[i]) + "::" + table.key_types[i]);
  }
  if (parts.size() == 1) return parts[0];
  return "ROW(" + absl::StrJoin(parts, ", ") + ")";
}

std::string InRangeSql(const BackfillTable& table, const KeyRange& range) {
  const std::string key = KeyExpression(table.backfill->key);
  return absl::StrCat(key, " >= ", KeyLiteral(table, range.lo), " AND ", key,
                      " <= ", KeyLiteral(table, range.hi));
}

absl::StatusOr<std::optional<KeyRange>> LoadBounds(pg::Connection& connection,
                                                   const BackfillTable& table) {
  ASSIGN_OR_RETURN(auto lo, LoadEdge(connection, table, "", ""));
  ASSIGN_OR_RETURN(auto hi, LoadEdge(connection, table, "", " DESC"));
  if (!lo.has_value() || !hi.has_value()) return std::nullopt;
  return KeyRange{*std::move(lo), *std::move(hi)};
}

absl::StatusOr<std::vector<KeyRange>> SplitRange(pg::Connection& connection,
                                                 const BackfillTable& table, const KeyRange& whole,
                                                 int parts) {
  if (parts <= 1) return std::vector<KeyRange>{whole};
  // About 20,000 rows of a sample are enough to cut a table into a few dozen parts.
  const double percent = std::clamp(
      2'000'000.0 / static_cast<double>(std::max<std::int64_t>(table.rows, 1)), 0.001, 100.0);
  const std::string order = OrderSql(table, "");
  ASSIGN_OR_RETURN(
      pg::Result cuts,
      connection.Query(absl::StrCat(
          "SELECT ", KeyColumns(table), " FROM (SELECT *, row_number() OVER (ORDER BY ", order,
          ") AS lockstep_number, count(*) OVER () AS lockstep_total FROM ",
          QuotedTableName(table.backfill->table), " TABLESAMPLE SYSTEM (", percent,
          ")) AS sampled WHERE lockstep_total >= ", parts,
          " AND lockstep_number > 1 AND (lockstep_number - 1) * ", parts,
          " / lockstep_total <> (lockstep_number - 2) * ", parts, " / lockstep_total ORDER BY ",
          order)));
  std::vector<KeyRange> ranges;
  KeyValues lo = whole.lo;
  const std::string key = KeyExpression(table.backfill->key);
  for (const pg::Row row : cuts) {
    const KeyValues cut = ReadKey(table, row);
    const std::string literal = KeyLiteral(table, cut);
    ASSIGN_OR_RETURN(auto before, LoadEdge(connection, table,
                                           absl::StrCat(" WHERE ", key, " < ", literal, " AND ",
                                                        key, " >= ", KeyLiteral(table, lo)),
                                           " DESC"));
    if (!before.has_value()) continue;
    ranges.push_back({lo, *std::move(before)});
    lo = cut;
  }
  ranges.push_back({lo, whole.hi});
  return ranges;
}

std::string NextBatchSql(const BackfillTable& table, const KeyRange& left, int limit) {
  const std::string order = OrderSql(table, "");
  return absl::StrCat("SELECT * FROM (SELECT ", KeyColumns(table), ", row_number() OVER (ORDER BY ",
                      order, ") AS number FROM ", QuotedTableName(table.backfill->table), " WHERE ",
                      InRangeSql(table, left), " ORDER BY ", order, " LIMIT ", limit + 1,
                      ") AS keys ORDER BY number DESC LIMIT 2");
}

NextBatch ReadNextBatch(const BackfillTable& table, const KeyRange& left, int limit,
                        const pg::Result& rows) {
  NextBatch batch;
  if (rows.empty()) return batch;
  batch.range.lo = left.lo;
  const std::int64_t found = rows[0].Get<std::int64_t>("number");
  const bool has_more = found > limit;
  batch.rows = has_more ? limit : found;
  if (has_more) batch.next = ReadKey(table, rows[0]);
  // The last batch takes the whole rest, so that a row that appears meanwhile is in it, too.
  batch.range.hi = has_more ? ReadKey(table, rows[1]) : left.hi;
  return batch;
}

}  // namespace lockstep::migration
