#include "services/migration/engine/run/rewrite/compared_query.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pg/connection.h"
#include "common/status/error.h"
#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/parsed_sql.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

absl::Status Incomparable(std::string message) {
  return Error(absl::StatusCode::kFailedPrecondition, "VIEW_INCOMPARABLE", std::move(message));
}

// A name of a relation in the text.
struct Mention {
  std::size_t begin = 0;
  std::size_t rows = 0;  // index of the declaration
  bool has_alias = false;
  std::string name;  // of the relation, without its schema
};

// What a walk over the parse tree collects.
struct Findings {
  std::vector<Mention> mentions;
  std::set<std::string> functions;
  int limits = 0;
  bool is_sampled = false;
  bool is_locking = false;
  bool is_only = false;  // ONLY of a relation of which some rows count
  bool is_distinct_on = false;
  bool may_use_zone = false;  // a cast or function that may depend on the session's time zone
};

bool MayUseZone(const std::vector<std::string>& function_or_type) {
  return !function_or_type.empty() &&
         IsIn(function_or_type.back(), {"date_trunc", "date_part", "extract", "to_char", "date_bin",
                                        "make_timestamptz", "age", "date", "time", "timetz",
                                        "timestamp", "timestamptz", "text", "varchar", "bpchar"});
}

void Walk(TreeNode node, const std::vector<ComparedRows>& rows, Findings& found) {
  if (node.key() == "RangeVar") {
    const std::string name = absl::StrCat(node["schemaname"].text(), ".", node["relname"].text());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].relation != name) continue;
      if (!node["inh"].IsTrue()) found.is_only = true;
      found.mentions.push_back({.begin = static_cast<std::size_t>(node["location"].Number(0)),
                                .rows = i,
                                .has_alias = node.Has("alias"),
                                .name = node["relname"].text()});
    }
  }
  if (node.key() == "FuncCall") {
    const std::vector<std::string> names = NamesIn(node["funcname"]);
    found.functions.insert(absl::StrJoin(names, "."));
    if (MayUseZone(names)) found.may_use_zone = true;
  }
  if (node.key() == "TypeCast") {
    if (MayUseZone(NamesIn(node["typeName"]["names"]))) found.may_use_zone = true;
  }
  // DISTINCT alone is a list with an empty element.
  if (node.key() == "distinctClause" && !node.first().first().empty()) found.is_distinct_on = true;
  if (node.key() == "RangeTableSample") found.is_sampled = true;
  if (node.IsObject()) {
    if (node.Has("limitCount") || node.Has("limitOffset")) ++found.limits;
    if (node.Has("lockingClause")) found.is_locking = true;
  }
  for (TreeNode child = node.first(); !child.empty(); child = child.next()) {
    Walk(child, rows, found);
  }
}

std::vector<Token> CodeTokens(const std::string& text) {
  std::vector<Token> tokens;
  for (const Token& token : ScanTokens(text).value_or(std::vector<Token>())) {
    if (!token.is_comment) tokens.push_back(token);
  }
  return tokens;
}

std::string UpperOf(const std::string& text, const Token& token) {
  std::string word = text.substr(token.begin, token.end - token.begin);
  for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return word;
}

// Where the LIMIT of the whole query begins.
std::size_t LimitOf(const std::string& text) {
  int depth = 0;
  std::size_t at = std::string::npos;
  for (const Token& token : CodeTokens(text)) {
    const std::string word = UpperOf(text, token);
    if (word == "(") ++depth;
    if (word == ")") --depth;
    if (depth == 0 && token.is_keyword && (word == "LIMIT" || word == "FETCH")) at = token.begin;
  }
  return at;
}

// The names are replaced from the last to the first, so that places stay what they were.
std::string Narrow(std::string text, std::vector<Mention> mentions) {
  const std::vector<Token> tokens = CodeTokens(text);
  std::ranges::sort(mentions, {}, &Mention::begin);
  for (auto mention = mentions.rbegin(); mention != mentions.rend(); ++mention) {
    const auto first = std::ranges::find(tokens, mention->begin, &Token::begin);
    if (tokens.end() - first < 3) continue;
    const std::size_t end = (first + 2)->end;
    std::string name = absl::StrCat("lockstep_rows_", mention->rows);
    if (!mention->has_alias) absl::StrAppend(&name, " AS ", pg::QuoteIdentifier(mention->name));
    text.replace(mention->begin, end - mention->begin, name);
  }
  return text;
}

std::string WithRows(const std::string& query, const std::vector<ComparedRows>& rows,
                     const std::set<std::size_t>& used) {
  if (used.empty()) return query;
  std::vector<std::string> parts;
  for (const std::size_t i : used) {
    parts.push_back(absl::StrCat("lockstep_rows_", i, " AS NOT MATERIALIZED (SELECT * FROM ",
                                 rows[i].relation, " WHERE (", rows[i].where, "))"));
  }
  return absl::StrCat("WITH ", absl::StrJoin(parts, ", "), " SELECT * FROM (", query,
                      ") AS lockstep_query");
}

// Types whose values are the same text when they compare as equal, and that have a hash.
constexpr std::array<std::string_view, 17> kExact = {
    "bool", "int2", "int4",        "int8",  "oid",     "uuid", "date", "time",  "timestamp",
    "inet", "cidr", "timestamptz", "bytea", "macaddr", "char", "xid8", "pg_lsn"};

bool IsExact(const std::string& base) {
  return std::ranges::find(kExact, std::string_view(base)) != kExact.end();
}

std::string ColumnOf(const ViewColumn& column) {
  return absl::StrCat("v.", pg::QuoteIdentifier(column.name));
}

std::string TextOf(const ViewColumn& column) {
  // Its cast to text loses the blanks at the end.
  if (column.base == "bpchar") {
    return absl::StrCat("CASE WHEN ", ColumnOf(column),
                        " IS NOT NULL THEN pg_catalog.format('[%s]', ", ColumnOf(column), ") END");
  }
  return absl::StrCat(ColumnOf(column), "::pg_catalog.text COLLATE \"C\"");
}

// What is hashed of a column.
std::string ImageOf(const ViewColumn& column) {
  if (IsExact(column.base)) return ColumnOf(column);
  // Cheaper than the text of a number, and says as much.
  if (column.base == "numeric") {
    return absl::StrCat(ColumnOf(column), ", pg_catalog.scale(", ColumnOf(column), ")");
  }
  return TextOf(column);
}

std::string TextsOf(const std::vector<ViewColumn>& columns) {
  return absl::StrJoin(columns, ", ", [](std::string* out, const ViewColumn& column) {
    absl::StrAppend(out, TextOf(column));
  });
}

// A key as one text in which NULL equals NULL.
std::string KeyOf(const char* alias, const std::vector<std::string>& key) {
  return absl::StrCat("pg_catalog.jsonb_build_array(",
                      absl::StrJoin(key, ", ",
                                    [&](std::string* out, const std::string& name) {
                                      absl::StrAppend(out, alias, ".", pg::QuoteIdentifier(name),
                                                      "::pg_catalog.text");
                                    }),
                      ")");
}

}  // namespace

absl::StatusOr<ComparedQuery> CompareAs(std::string_view definition,
                                        const std::vector<ComparedRows>& rows, bool without_limit) {
  std::string text(definition);
  if (text.ends_with(';')) text.pop_back();
  ComparedQuery query;
  const ParsedSql parsed(text);
  if (!parsed.ok()) return Incomparable("this program's SQL parser cannot read its definition");
  const ParseTree tree(parsed.json());
  if (tree.IsTooDeep()) return Incomparable("its definition is nested too deeply to be read");
  const TreeNode select = tree.root()["stmts"].first()["stmt"]["SelectStmt"];
  Findings found;
  Walk(tree.root(), rows, found);
  if (found.is_sampled) return Incomparable("TABLESAMPLE gives other rows every time");
  if (found.is_locking) return Incomparable("it locks the rows that it reads");
  if (found.is_only) return Incomparable("ONLY of a relation of which only some rows are compared");
  if (found.is_distinct_on && !without_limit) {
    return Incomparable(
        "DISTINCT ON may keep other rows every time; declare without_limit where its order is "
        "total");
  }
  const bool has_limit = select.Has("limitCount");
  if (found.limits > (has_limit ? 1 : 0) || select.Has("limitOffset")) {
    return Incomparable("a LIMIT inside of it, or an OFFSET, may give other rows every time");
  }
  if (has_limit && !without_limit && !select.Has("sortClause")) {
    return Incomparable(
        "its LIMIT has no ORDER BY: it may give other rows every time; declare without_limit to "
        "compare all rows");
  }
  std::set<std::size_t> used;
  for (const Mention& mention : found.mentions) used.insert(mention.rows);
  for (const std::size_t i : used) query.narrowed.push_back(rows[i].relation);
  query.functions = {found.functions.begin(), found.functions.end()};
  query.may_use_zone = found.may_use_zone;
  text = Narrow(std::move(text), std::move(found.mentions));
  if (has_limit) {
    const std::size_t limit = LimitOf(text);
    const std::string unlimited = text.substr(0, limit);
    std::string count = text.substr(limit + std::string_view("LIMIT").size());
    absl::StripAsciiWhitespace(&count);
    const bool is_number =
        std::ranges::all_of(count, [](unsigned char c) { return std::isdigit(c) != 0; });
    const bool takes_ties = select["limitOption"].raw() == "LIMIT_OPTION_WITH_TIES";
    if (without_limit) {
      text = unlimited;
    } else if (!is_number && !takes_ties) {
      return Incomparable(
          "its LIMIT is no plain number; declare without_limit to compare all rows");
    } else if (!takes_ties) {
      query.with_ties =
          WithRows(absl::StrCat(unlimited, "FETCH FIRST ", count, " ROWS WITH TIES"), rows, used);
    }
  }
  query.text = WithRows(text, rows, used);
  return query;
}

// The hash of a record is linear in those of its columns, and a sum of them would hardly depend on
// which values stand together in a row; so it is hashed once more.
std::string BagSql(const std::string& query, const std::vector<ViewColumn>& columns) {
  std::vector<std::string> images;
  images.reserve(columns.size());
  for (const ViewColumn& column : columns) images.push_back(ImageOf(column));
  return absl::StrCat(
      "SELECT pg_catalog.count(*) AS n, coalesce(pg_catalog.sum(pg_catalog.hashtextextended("
      "pg_catalog.hash_record_extended(ROW(",
      absl::StrJoin(images, ", "), "), 0)::pg_catalog.text, 0)), 0)::pg_catalog.text AS bag FROM (",
      query, ") AS v");
}

std::string MissingSql(const std::string& query, const std::string& other,
                       const std::vector<ViewColumn>& columns, int limit) {
  const std::string texts = TextsOf(columns);
  const auto side = [&](const std::string& from) {
    return absl::StrCat("SELECT ", texts, " FROM (", from, ") AS v");
  };
  return absl::StrCat("SELECT pg_catalog.count(*) OVER () AS n, d::pg_catalog.text AS row FROM (",
                      side(query), " EXCEPT ALL ", side(other), ") AS d ORDER BY 2 LIMIT ", limit);
}

std::string OutOfToleranceSql(const std::string& query, const std::string& other,
                              const ComparedView& view, int limit) {
  std::vector<std::string> wrong = {"a.k IS NULL", "b.k IS NULL"};
  std::vector<std::string> shown = {"coalesce(a.k, b.k)"};
  for (const Tolerance& tolerance : view.tolerances) {
    const std::string a = absl::StrCat("(a.r).", pg::QuoteIdentifier(tolerance.column));
    const std::string b = absl::StrCat("(b.r).", pg::QuoteIdentifier(tolerance.column));
    wrong.push_back(absl::StrCat("(", a, " IS NULL) <> (", b, " IS NULL)"));
    wrong.push_back(absl::StrCat("pg_catalog.abs(", a, " - ", b, ") > ", tolerance.within));
    shown.push_back(a);
    shown.push_back(b);
  }
  const auto side = [&](const std::string& from) {
    return absl::StrCat("(SELECT ", KeyOf("v", view.key), " AS k, v AS r FROM (", from, ") AS v)");
  };
  return absl::StrCat("SELECT pg_catalog.count(*) OVER () AS n, ROW(", absl::StrJoin(shown, ", "),
                      ")::pg_catalog.text AS row FROM ", side(query), " AS a FULL JOIN ",
                      side(other), " AS b ON a.k = b.k WHERE ", absl::StrJoin(wrong, " OR "),
                      " ORDER BY 2 LIMIT ", limit);
}

std::string AmbiguousKeySql(const std::string& query, const std::vector<std::string>& key) {
  return absl::StrCat("SELECT pg_catalog.count(*) - pg_catalog.count(DISTINCT ", KeyOf("v", key),
                      ") AS n FROM (", query, ") AS v");
}

}  // namespace lockstep::migration
