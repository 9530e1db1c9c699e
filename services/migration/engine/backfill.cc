#include "services/migration/engine/backfill.h"

#include <pg_query.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/sql.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

// Batches bring the rows into the new shape themselves; a condition costs less than a call.
constexpr char kNotABatch[] =
    "pg_catalog.current_setting('lockstep.backfill', true) IS DISTINCT FROM 'on'";

struct Placeholder {
  std::size_t begin = 0;
  bool is_low = false;
};

// :lo and :hi, or $1 and $2, in the order of the text.
std::vector<Placeholder> Placeholders(const std::string& sql, std::string_view low,
                                      std::string_view high) {
  std::vector<Placeholder> found;
  const auto tokens = ScanTokens(sql);
  if (!tokens.has_value()) return found;
  for (const Token& token : *tokens) {
    if (token.is_comment) continue;
    const std::string_view rest = std::string_view(sql).substr(token.begin);
    const bool is_low = rest.starts_with(low);
    if (!is_low && !rest.starts_with(high)) continue;
    // ":low" and "$10" are something else.
    const char next = rest.size() > low.size() ? rest[low.size()] : ' ';
    const bool goes_on = (next >= '0' && next <= '9') || (next >= 'a' && next <= 'z') ||
                         (next >= 'A' && next <= 'Z') || next == '_';
    if (!goes_on) found.push_back({token.begin, is_low});
  }
  return found;
}

std::string Replaced(std::string sql, const std::vector<Placeholder>& places, std::size_t length,
                     std::string_view low, std::string_view high) {
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    sql.replace(place->begin, length, place->is_low ? low : high);
  }
  return sql;
}

template <typename Visit>
void WalkTree(TreeNode node, const Visit& visit) {
  for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
    visit(child);
    WalkTree(child, visit);
  }
}

// Names of the columns that are mentioned below `node`.
void CollectColumns(TreeNode node, std::set<std::string>& columns) {
  WalkTree(node, [&](TreeNode child) {
    if (child.key() != "ColumnRef") return;
    std::string last;
    if (child["fields"].first()["String"]["sval"].text() == "excluded") return;
    for (TreeNode field = child["fields"].first(); !field.empty(); field = field.next()) {
      last = field["String"]["sval"].text();
    }
    if (!last.empty()) columns.insert(last);
  });
}

// The tree that libpg_query makes of `sql`; null when it cannot.
class Tree {
 public:
  explicit Tree(const std::string& sql) : result_(pg_query_parse(sql.c_str())) {
    if (result_.error == nullptr) tree_.emplace(result_.parse_tree);
  }
  ~Tree() { pg_query_free_parse_result(result_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  TreeNode root() const { return tree_.has_value() ? tree_->root() : TreeNode(); }

 private:
  PgQueryParseResult result_;
  std::optional<ParseTree> tree_;
};

// A column that an UPDATE, or an INSERT on conflict, sets from itself, or "". What an INSERT brings
// along itself ("excluded") is no such input.
std::string SelfInput(const std::string& statement) {
  const Tree tree(statement);
  std::set<std::string> targets;
  std::set<std::string> inputs;
  WalkTree(tree.root(), [&](TreeNode node) {
    if (node.key() != "UpdateStmt" && node.key() != "onConflictClause") return;
    for (TreeNode item = node["targetList"].first(); !item.empty(); item = item.next()) {
      targets.insert(item["ResTarget"]["name"].text());
      CollectColumns(item["ResTarget"]["val"], inputs);
    }
  });
  for (const std::string& target : targets) {
    if (inputs.contains(target)) return target;
  }
  return "";
}

std::string RowOf(const std::string& prefix, const std::vector<ColumnExpression>& columns) {
  return absl::StrCat("ROW(",
                      absl::StrJoin(columns, ", ",
                                    [&](std::string* out, const ColumnExpression& column) {
                                      absl::StrAppend(out, prefix, QuotedColumn(column.column));
                                    }),
                      ")");
}

std::string AllNull(const std::string& prefix, const std::vector<ColumnExpression>& columns) {
  return absl::StrJoin(columns, " AND ", [&](std::string* out, const ColumnExpression& column) {
    absl::StrAppend(out, prefix, QuotedColumn(column.column), " IS NULL");
  });
}

// The name by which expressions may qualify their columns.
std::string TableAlias(const Backfill& backfill) {
  return QuotedColumn(std::string_view(backfill.table).substr(backfill.table.find('.') + 1));
}

// "SELECT (condition), (expression), ... [into] FROM (rows) AS table". Rows without the condition
// are none that the expressions must be able to read.
std::string Evaluate(const Backfill& backfill, const std::vector<ColumnExpression>& columns,
                     const std::string& into, const std::string& rows) {
  const std::string where =
      backfill.where.empty() ? "true" : absl::StrCat("(", backfill.where, "\n)");
  std::string sql = "SELECT " + where;
  for (const ColumnExpression& column : columns) {
    if (backfill.where.empty()) {
      absl::StrAppend(&sql, ", (", column.expression, "\n)");
    } else {
      absl::StrAppend(&sql, ", CASE WHEN ", where, " THEN (", column.expression, "\n) END");
    }
  }
  return absl::StrCat(sql, into, " FROM (", rows, ") AS ", TableAlias(backfill));
}

// Computes `columns` from the row that is written and puts them into it.
std::string Assign(const Backfill& backfill, const std::vector<ColumnExpression>& columns,
                   const std::string& variable) {
  std::string into = " INTO v_applies";
  std::string assignments;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string name = absl::StrCat(variable, i);
    absl::StrAppend(&into, ", ", name);
    absl::StrAppend(&assignments, "            NEW.", QuotedColumn(columns[i].column), " := ", name,
                    ";\n");
  }
  return absl::StrCat("        ", Evaluate(backfill, columns, into, "SELECT NEW.*"),
                      ";\n        IF v_applies THEN\n", assignments, "        END IF;\n");
}

std::string Declare(const Backfill& backfill, const std::vector<ColumnExpression>& columns,
                    const std::string& variable) {
  std::string sql;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    absl::StrAppend(&sql, "    ", variable, i, " ", QuotedTableName(backfill.table), ".",
                    QuotedColumn(columns[i].column), "%TYPE;\n");
  }
  return sql;
}

// Columns that the new ones are computed from, beside those that are computed back.
std::vector<ColumnExpression> OtherInputs(const Backfill& backfill) {
  std::set<std::string> names =
      backfill.where.empty() ? std::set<std::string>{} : ColumnsOf(backfill.where);
  for (const ColumnExpression& column : backfill.set) names.merge(ColumnsOf(column.expression));
  for (const auto* columns : {&backfill.set, &backfill.set_back}) {
    for (const ColumnExpression& column : *columns) names.erase(column.column);
  }
  std::vector<ColumnExpression> inputs;
  for (const std::string& name : names) inputs.push_back({name, ""});
  return inputs;
}

// Which way a write goes. Of a new row the new columns count where one is given; of a changed one
// those that changed, and a writer that changed both knows what it does. A row that is not filled
// yet is filled whatever changes: it may move to where the batches have been. Values are compared
// as text, for some types have no equality.
std::string Decide(const Backfill& backfill) {
  if (backfill.set_back.empty()) return "    v_forward := true;\n";
  const std::string fresh = AllNull("NEW.", backfill.set);
  const auto changed = [](const std::vector<ColumnExpression>& columns) {
    return RowOf("NEW.", columns) + "::text IS DISTINCT FROM " + RowOf("OLD.", columns) + "::text";
  };
  const std::vector<ColumnExpression> inputs = OtherInputs(backfill);
  const std::string others =
      inputs.empty() ? fresh : "(" + changed(inputs) + " OR (" + fresh + "))";
  return absl::StrCat("    IF TG_OP = 'INSERT' THEN\n        v_forward := ", fresh,
                      ";\n        v_back := NOT v_forward;\n    ELSE\n        v_back := ",
                      changed(backfill.set), ";\n        v_forward := ", changed(backfill.set_back),
                      ";\n        IF v_forward AND v_back THEN\n"
                      "            RETURN NEW;\n        END IF;\n        v_forward := v_forward OR "
                      "(NOT v_back AND ",
                      others, ");\n    END IF;\n");
}

std::string SyncFunction(const Backfill& backfill, const std::string& name) {
  std::string sql = absl::StrCat(
      "CREATE FUNCTION ", name,
      "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\nSET search_path = pg_catalog, "
      "pg_temp\n"
      "SET \"TimeZone\" = 'UTC' SET \"DateStyle\" = 'ISO, YMD' SET \"IntervalStyle\" = 'postgres'\n"
      "AS $lockstep$\n#variable_conflict use_column\nDECLARE\n    v_applies boolean;\n    "
      "v_forward "
      "boolean;\n    v_back boolean := false;\n",
      Declare(backfill, backfill.set, "lockstep_new_"),
      Declare(backfill, backfill.set_back, "lockstep_old_"), "BEGIN\n", Decide(backfill),
      "    IF v_forward THEN\n", Assign(backfill, backfill.set, "lockstep_new_"));
  if (!backfill.set_back.empty()) {
    absl::StrAppend(&sql, "    ELSIF v_back THEN\n",
                    Assign(backfill, backfill.set_back, "lockstep_old_"));
  }
  return absl::StrCat(sql, "    END IF;\n    RETURN NEW;\nEND $lockstep$");
}

std::string Assignments(const std::vector<ColumnExpression>& columns) {
  return absl::StrJoin(columns, ",\n       ", [](std::string* out, const ColumnExpression& column) {
    absl::StrAppend(out, QuotedColumn(column.column), " = (", column.expression, "\n)");
  });
}

std::string SyncName(const Backfill& backfill) {
  return absl::StrCat(QuotedColumn(backfill.table.substr(0, backfill.table.find('.'))), ".",
                      QuotedColumn(backfill.trigger));
}

}  // namespace

std::string QuotedColumn(std::string_view column) { return "\"" + std::string(column) + "\""; }

std::string QuotedTableName(std::string_view table) {
  const std::size_t dot = table.find('.');
  return QuotedColumn(table.substr(0, dot)) + "." + QuotedColumn(table.substr(dot + 1));
}

std::string KeyExpression(const std::vector<std::string>& key) {
  if (key.size() == 1) return QuotedColumn(key[0]);
  return absl::StrCat("(",
                      absl::StrJoin(key, ", ",
                                    [](std::string* out, const std::string& column) {
                                      *out += QuotedColumn(column);
                                    }),
                      ")");
}

std::string BatchStatement(const Backfill& backfill) {
  const std::string key = KeyExpression(backfill.key);
  std::string sql =
      absl::StrCat("UPDATE ", QuotedTableName(backfill.table), "\n   SET ",
                   Assignments(backfill.set), "\n WHERE ", key, " >= :lo AND ", key, " <= :hi");
  if (!backfill.where.empty()) absl::StrAppend(&sql, "\n   AND (", backfill.where, "\n)");
  if (!backfill.set_back.empty()) absl::StrAppend(&sql, "\n   AND ", AllNull("", backfill.set));
  return sql + "\n";
}

std::string WithParameters(const std::string& sql) {
  return Replaced(sql, Placeholders(sql, ":lo", ":hi"), 3, "$1 ", "$2 ");
}

std::string BindRange(const std::string& sql, std::string_view lo, std::string_view hi) {
  return Replaced(sql, Placeholders(sql, "$1", "$2"), 2, lo, hi);
}

bool HasRange(const std::string& sql) {
  const auto places = Placeholders(sql, "$1", "$2");
  const auto is_low = [](const Placeholder& place) { return place.is_low; };
  return std::any_of(places.begin(), places.end(), is_low) &&
         !std::all_of(places.begin(), places.end(), is_low);
}

std::set<std::string> ColumnsOf(const std::string& expression) {
  std::set<std::string> columns;
  CollectColumns(Tree("SELECT (" + expression + "\n)").root(), columns);
  return columns;
}

std::set<std::string> FunctionsOf(const std::string& expression) {
  std::set<std::string> functions;
  WalkTree(Tree("SELECT (" + expression + "\n)").root(), [&](TreeNode node) {
    if (node.key() == "SubLink") functions.insert(kSubquery);
    if (node.key() == "SQLValueFunction") functions.insert("now");
    if (node.key() != "FuncCall") return;
    std::string last;
    for (TreeNode part = node["funcname"].first(); !part.empty(); part = part.next()) {
      last = part["String"]["sval"].text();
    }
    functions.insert(last);
  });
  return functions;
}

void CheckBatch(const ReadSql& sql, std::vector<Problem>& problems) {
  const Script& script = sql.script;
  const auto refuse = [&](const std::string& message) {
    problems.push_back({script.file, 0, 0, "BACKFILL_SQL_INVALID", message});
  };
  if (script.is_opaque) {
    refuse("the parser cannot read the statement of the batches");
    return;
  }
  if (script.statements.size() != 1) {
    refuse("a backfill has exactly one statement, which is run for each batch");
    return;
  }
  const std::string& statement = script.statements[0];
  const std::string tag = script.facts.tags.empty() ? "" : script.facts.tags[0];
  if (tag != "UPDATE" && tag != "INSERT" && tag != "DELETE") {
    refuse("a backfill updates, inserts or deletes; this is " + tag);
  }
  if (!HasRange(statement)) {
    refuse("the statement must name both ends of its batch, :lo and :hi, both included");
  }
  if (script.facts.has_hidden_code) {
    refuse("a batch may only call functions of PostgreSQL itself: what others do cannot be seen");
  }
  if (tag == "INSERT") {
    const std::vector<Word> words = CodeWords(statement);
    const bool has_conflict = std::any_of(words.begin(), words.end(),
                                          [](const Word& word) { return word.text == "CONFLICT"; });
    if (!has_conflict) {
      refuse("an INSERT needs ON CONFLICT: applied twice it must change nothing");
    }
  }
  if (const std::string column = SelfInput(statement); !column.empty()) {
    refuse("column " + column +
           " is set from itself: applied twice it would change twice; write to a new column");
  }
}

std::vector<std::string> CreateSyncStatements(const Backfill& backfill) {
  if (backfill.trigger.empty()) return {};
  const std::string name = SyncName(backfill);
  const std::string table = QuotedTableName(backfill.table);
  std::vector<std::string> statements;
  for (const auto* columns : {&backfill.set, &backfill.set_back}) {
    if (columns->empty()) continue;
    // Names, operators and types; then whether the columns take the values.
    statements.push_back(Evaluate(backfill, *columns, "", "SELECT * FROM " + table + " LIMIT 0"));
    statements.push_back("EXPLAIN UPDATE " + table + " SET " + Assignments(*columns) +
                         " WHERE false");
  }
  statements.push_back(SyncFunction(backfill, name));
  statements.push_back("REVOKE ALL ON FUNCTION " + name + "() FROM PUBLIC");
  statements.push_back("CREATE TRIGGER " + QuotedColumn(backfill.trigger) +
                       " BEFORE INSERT OR UPDATE ON " + table + " FOR EACH ROW WHEN (" +
                       kNotABatch + ") EXECUTE FUNCTION " + name + "()");
  return statements;
}

std::string DropSyncSql(const Backfill& backfill) {
  if (backfill.trigger.empty()) return "";
  return absl::StrCat("DROP TRIGGER IF EXISTS ", QuotedColumn(backfill.trigger), " ON ",
                      QuotedTableName(backfill.table), ";\nDROP FUNCTION IF EXISTS ",
                      SyncName(backfill), "();\n");
}

}  // namespace lockstep::migration
