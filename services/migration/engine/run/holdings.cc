#include "services/migration/engine/run/holdings.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/statement_text.h"

namespace lockstep::migration {
namespace {

using pg::QuoteIdentifier;

constexpr char kEventKind[] = "guard_silent";

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// ALTER COLUMN ... TYPE may cut values; CASCADE may take columns along with a type or an extension.
bool ReachesFurther(const Script& down) {
  return std::any_of(down.statements.begin(), down.statements.end(),
                     [](const std::string& statement) {
                       return HasWords(statement, " cascade") ||
                              (HasWords(statement, "alter table") && HasWords(statement, " type "));
                     });
}

absl::StatusOr<Holding> Read(pg::Connection& connection, const std::string& digested,
                             const std::string& from) {
  ASSIGN_OR_RETURN(
      pg::Result read,
      connection.Query("SELECT count(*) AS n, coalesce(sum(hashtextextended((" + digested +
                       ")::text, 0)::numeric), 0)::text AS digest FROM " + from));
  return Holding{.count = read[0].Get<std::int64_t>("n"), .digest = read[0].Text("digest")};
}

absl::Status CountRows(pg::Connection& connection, const std::string& table, Holdings& holdings) {
  ASSIGN_OR_RETURN(pg::Result there,
                   connection.Query("SELECT count(*) AS n FROM pg_class WHERE oid = to_regclass($1)"
                                    "   AND relkind IN ('r', 'p')",
                                    QuotedName(table)));
  if (there[0].Get<std::int64_t>("n") == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(holdings[table], Read(connection, "t.*", QuotedName(table) + " AS t"));
  return absl::OkStatus();
}

absl::Status CountValues(pg::Connection& connection, const ColumnName& column, Holdings& holdings) {
  ASSIGN_OR_RETURN(
      pg::Result facts,
      connection.Query(
          "SELECT (SELECT coalesce(string_agg(format('t.%I', k.attname), ', ' ORDER BY k.attnum), "
          "'')"
          "          FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid"
          "           AND k.attnum = ANY (i.indkey::smallint[])"
          "         WHERE i.indisprimary AND i.indrelid = a.attrelid) AS key,"
          // Only a constant: anything else may have another value, or an effect, each time.
          "  coalesce(CASE WHEN d.adbin::text ~ '^\\{(RELABELTYPE :arg \\{)?CONST '"
          "                THEN pg_get_expr(d.adbin, d.adrelid) END, 'NULL') AS usual"
          "  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid"
          "   AND d.adnum = a.attnum"
          " WHERE a.attrelid = to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped",
          QuotedName(column.table), column.column));
  // DROP COLUMN IF EXISTS may name what is not there.
  if (facts.empty()) return absl::OkStatus();
  const std::string value = "t." + QuoteIdentifier(column.column);
  const std::string key = facts[0].Text("key");
  ASSIGN_OR_RETURN(
      holdings[column.table + "." + column.column],
      Read(connection, "ROW(" + key + (key.empty() ? "" : ", ") + value + ")",
           QuotedName(column.table) + " AS t WHERE " + value + " IS NOT NULL AND " + value +
               "::text IS DISTINCT FROM (" + facts[0].Text("usual") + ")::text"));
  return absl::OkStatus();
}

}  // namespace

bool TakesAway(const Script& down) {
  const ScriptFacts& facts = down.facts;
  return down.is_opaque || facts.has_hidden_code || !facts.tables_dropped.empty() ||
         !facts.columns_dropped.empty() || !facts.rows_destroyed_in.empty() || ReachesFurther(down);
}

bool TakesWhatIsRead(const Script& down, const Script& guard) {
  if (guard.is_opaque || down.is_opaque || down.facts.has_hidden_code) return true;
  const std::vector<std::string>& read = guard.facts.read;
  const ScriptFacts& facts = down.facts;
  return std::any_of(facts.tables_dropped.begin(), facts.tables_dropped.end(),
                     [&](const std::string& table) { return Contains(read, table); }) ||
         std::any_of(facts.columns_dropped.begin(), facts.columns_dropped.end(),
                     [&](const ColumnName& column) { return Contains(read, column.table); });
}

std::vector<std::string> TablesTakenFrom(const Script& down) {
  const ScriptFacts& facts = down.facts;
  std::set<std::string> tables(facts.tables_dropped.begin(), facts.tables_dropped.end());
  tables.insert(facts.rows_destroyed_in.begin(), facts.rows_destroyed_in.end());
  for (const ColumnName& column : facts.columns_dropped) tables.insert(column.table);
  return {tables.begin(), tables.end()};
}

absl::StatusOr<Holdings> Count(pg::Connection& connection, const Script& down) {
  Holdings holdings;
  const ScriptFacts& facts = down.facts;
  for (const std::vector<std::string>* tables : {&facts.tables_dropped, &facts.rows_destroyed_in}) {
    for (const std::string& table : *tables) {
      RETURN_IF_ERROR(CountRows(connection, table, holdings));
    }
  }
  for (const ColumnName& column : facts.columns_dropped) {
    RETURN_IF_ERROR(CountValues(connection, column, holdings));
  }
  return holdings;
}

Happening RememberHoldings(const StepTask& task, const Holdings& holdings) {
  Happening silent = task.Event(
      kEventKind, absl::StrFormat("%s: the guard finds nothing to lose in what the steps after it "
                                  "take",
                                  task.text()));
  nlohmann::json kept = nlohmann::json::object();
  for (const auto& [name, holding] : holdings) {
    kept[name] = {{"count", holding.count}, {"digest", holding.digest}};
  }
  silent.details["holdings"] = std::move(kept);
  return silent;
}

absl::StatusOr<Holdings> RememberedHoldings(pg::Connection& connection, const Revision& revision) {
  RETURN_IF_ERROR(connection.Script("SET LOCAL ROLE NONE").status());
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT h.key AS name, (h.value ->> 'count')::bigint AS n,"
                                    "       h.value ->> 'digest' AS digest"
                                    "  FROM (SELECT details FROM migration.run_events"
                                    "         WHERE revision = $1 AND kind = $2"
                                    "         ORDER BY at DESC, event_offset DESC LIMIT 1) AS e,"
                                    "       jsonb_each(e.details -> 'holdings') AS h",
                                    revision.id, kEventKind));
  Holdings holdings;
  for (const pg::Row row : rows) {
    holdings[row.Text("name")] = {.count = row.Get<std::int64_t>("n"),
                                  .digest = row.Text("digest")};
  }
  RETURN_IF_ERROR(connection.Script(EnterRoleSql(OwnerRole(revision.service))).status());
  return holdings;
}

}  // namespace lockstep::migration
