// SQL that brings one difference back to what the revisions made.
#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/pg/connection.h"
#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/run/scratch/drift.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

using What = CatalogDifference::What;

// "core.orders" or "core.orders.note" with quotes where they are needed.
std::string Sql(std::string_view name) {
  std::string sql;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    const bool is_plain = !part.empty() && std::isdigit(static_cast<unsigned char>(part[0])) == 0 &&
                          std::all_of(part.begin(), part.end(), [](unsigned char c) {
                            return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
                          });
    sql += is_plain ? std::string(part) : pg::QuoteIdentifier(std::string(part));
    if (dot == std::string_view::npos) return sql;
    sql += '.';
    name.remove_prefix(dot + 1);
  }
}

std::string Parent(const std::string& name) { return Sql(name.substr(0, name.rfind('.'))); }
std::string Last(const std::string& name) { return Sql(name.substr(name.rfind('.') + 1)); }

// The object as COMMENT ON, ALTER .. OWNER and DROP name it; "" = of a kind that they do not.
std::string Named(const CatalogDifference& difference) {
  const std::string& kind = difference.kind;
  const std::string& name = difference.name;
  if (IsIn(kind, {"table", "view", "materialized view", "foreign table", "sequence", "index",
                  "schema", "domain"})) {
    std::string words = kind;
    std::transform(words.begin(), words.end(), words.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return words + " " + Sql(name);
  }
  if (IsIn(kind, {"enum", "composite type", "range"})) return "TYPE " + Sql(name);
  if (IsIn(kind, {"function", "procedure"})) {
    const std::size_t arguments = name.find('(');
    return (kind == "function" ? "FUNCTION " : "PROCEDURE ") + Sql(name.substr(0, arguments)) +
           name.substr(arguments);
  }
  if (kind == "column") return "COLUMN " + Sql(name);
  if (IsIn(kind, {"constraint", "trigger", "policy", "rule"})) {
    std::string words = kind;
    std::transform(words.begin(), words.end(), words.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return words + " " + Last(name) + " ON " + Parent(name);
  }
  return "";
}

// A list of grants, ["orders_app SELECT", ...].
std::set<std::string> GrantsIn(const std::string& text) {
  std::set<std::string> grants;
  const nlohmann::json list = nlohmann::json::parse(text, nullptr, false);
  if (!list.is_array()) return grants;
  for (const nlohmann::json& each : list) grants.insert(each.get<std::string>());
  return grants;
}

// "orders_app SELECT WITH GRANT OPTION"; a role's name may have quotes and blanks.
struct Grant {
  std::string role;
  std::string privilege;
  bool has_option = false;
};

Grant ParseGrant(const std::string& text) {
  constexpr std::string_view kOption = " WITH GRANT OPTION";
  const std::size_t end = text.starts_with('"') ? text.find("\" ", 1) + 1 : text.find(' ');
  Grant grant{text.substr(0, end), text.substr(end + 1), false};
  if (grant.privilege.ends_with(kOption)) {
    grant.has_option = true;
    grant.privilege.resize(grant.privilege.size() - kOption.size());
  }
  return grant;
}

// How GRANT names the object; "" = it cannot be granted on as a whole.
std::string Grantable(const CatalogDifference& difference) {
  if (difference.kind == "column") return "";
  if (IsIn(difference.kind, {"view", "materialized view", "foreign table"})) {
    return "TABLE " + Sql(difference.name);
  }
  return Named(difference);
}

// What is too much goes first, so that a grant with another option is not taken back again.
std::string RepairGrants(const CatalogDifference& difference) {
  const std::string on = Grantable(difference);
  if (on.empty()) return "";
  const std::set<std::string> expected = GrantsIn(difference.expected);
  const std::set<std::string> actual = GrantsIn(difference.actual);
  std::string revokes;
  std::string grants;
  for (const std::string& text : actual) {
    if (expected.contains(text)) continue;
    const Grant grant = ParseGrant(text);
    const bool keeps = expected.contains(grant.role + " " + grant.privilege);
    absl::StrAppend(&revokes, "REVOKE ", keeps ? "GRANT OPTION FOR " : "", grant.privilege, " ON ",
                    on, " FROM ", grant.role, ";\n");
  }
  for (const std::string& text : expected) {
    if (actual.contains(text)) continue;
    const Grant grant = ParseGrant(text);
    // The grant itself is there where only its option was too much.
    if (!grant.has_option && actual.contains(text + " WITH GRANT OPTION")) continue;
    absl::StrAppend(&grants, "GRANT ", grant.privilege, " ON ", on, " TO ", grant.role,
                    grant.has_option ? " WITH GRANT OPTION" : "", ";\n");
  }
  std::string sql = revokes + grants;
  if (!sql.empty()) sql.pop_back();
  return sql;
}

// " WITH (security_barrier=true)" of a view.
std::string OptionsOf(const nlohmann::json& facts) {
  std::string list;
  for (const nlohmann::json& option : facts.value("options", nlohmann::json::array())) {
    absl::StrAppend(&list, list.empty() ? "" : ", ", option.get<std::string>());
  }
  return list.empty() ? "" : " WITH (" + list + ")";
}

// Owner and grants of what is made again; nobody may more than before.
std::string RightsOf(const CatalogDifference& difference, const nlohmann::json& facts) {
  const std::string named = Named(difference);
  const std::string on = Grantable(difference);
  const std::string owner = facts.value("owner", std::string());
  std::string sql = absl::StrCat("\nALTER ", named, " OWNER TO ", owner, ";");
  if (IsIn(difference.kind, {"function", "procedure"})) {
    absl::StrAppend(&sql, "\nREVOKE ALL ON ", on, " FROM PUBLIC;");
  }
  for (const nlohmann::json& text : facts.value("grants", nlohmann::json::array())) {
    const Grant grant = ParseGrant(text.get<std::string>());
    if (grant.role == owner) continue;
    absl::StrAppend(&sql, "\nGRANT ", grant.privilege, " ON ", on, " TO ", grant.role,
                    grant.has_option ? " WITH GRANT OPTION" : "", ";");
  }
  return sql;
}

std::string RepairColumn(const CatalogDifference& difference) {
  const std::string alter =
      "ALTER TABLE " + Parent(difference.name) + " ALTER COLUMN " + Last(difference.name);
  const bool is_none = difference.expected == "none";
  if (difference.fact == "default") {
    return alter + (is_none ? " DROP DEFAULT;" : " SET DEFAULT " + difference.expected + ";");
  }
  if (difference.fact == "not null")
    return alter + (is_none ? " DROP NOT NULL;" : " SET NOT NULL;");
  if (difference.fact == "statistics") {
    return alter + " SET STATISTICS " + (is_none ? "-1" : difference.expected) + ";";
  }
  return "";
}

std::string RepairChanged(const CatalogDifference& difference, const nlohmann::json& facts) {
  const std::string& kind = difference.kind;
  const std::string& fact = difference.fact;
  const std::string named = Named(difference);
  if (fact == "grants") return RepairGrants(difference);
  if (fact == "comment" && !named.empty()) {
    return "COMMENT ON " + named + " IS " +
           (difference.expected == "none" ? "NULL" : pg::QuoteLiteral(difference.expected)) + ";";
  }
  if (fact == "owner" && !named.empty()) {
    return "ALTER " + named + " OWNER TO " + difference.expected + ";";
  }
  if (kind == "column") return RepairColumn(difference);
  if (kind == "view" && fact == "definition") {
    return "CREATE OR REPLACE VIEW " + Sql(difference.name) + OptionsOf(facts) + " AS\n" +
           difference.expected;
  }
  if (IsIn(kind, {"function", "procedure"}) && fact == "definition") {
    return difference.expected + ";";
  }
  if (kind == "constraint" && fact == "validated" && difference.expected == "true") {
    return "ALTER TABLE " + Parent(difference.name) + " VALIDATE CONSTRAINT " +
           Last(difference.name) + ";";
  }
  if (kind == "index" && IsIn(fact, {"valid", "ready"})) {
    return "REINDEX INDEX CONCURRENTLY " + Sql(difference.name) + ";";
  }
  if (kind == "trigger" && fact == "enabled") {
    return "ALTER TABLE " + Parent(difference.name) +
           (difference.expected == "D"   ? " DISABLE"
            : difference.expected == "A" ? " ENABLE ALWAYS"
            : difference.expected == "R" ? " ENABLE REPLICA"
                                         : " ENABLE") +
           " TRIGGER " + Last(difference.name) + ";";
  }
  return "";
}

std::string RepairMissing(const CatalogDifference& difference, const nlohmann::json& facts,
                          const CatalogImage& expected) {
  const std::string& kind = difference.kind;
  const std::string definition = facts.value("definition", std::string());
  if (kind == "index") {
    // The index of a key comes with its constraint.
    const std::string table = facts.value("table", std::string());
    const std::string schema = difference.name.substr(0, difference.name.find('.') + 1);
    const std::string constraint =
        schema + table + difference.name.substr(difference.name.rfind('.'));
    if (expected.objects.contains({"constraint", constraint})) return "";
    const std::size_t at = definition.find("INDEX ");
    // Of a partitioned table it is built part by part (docs/running-migrations.md).
    const bool is_parted =
        definition.find(" ON ONLY ") != std::string::npos || facts.contains("attached to");
    if (at == std::string::npos || is_parted) return "";
    return definition.substr(0, at + 6) + "CONCURRENTLY " + definition.substr(at + 6) + ";";
  }
  if (kind == "constraint") {
    const bool can_wait = definition.starts_with("CHECK") || definition.starts_with("FOREIGN KEY");
    const bool is_open = definition.ends_with("NOT VALID");
    const std::string alter = "ALTER TABLE " + Parent(difference.name);
    const std::string name = Last(difference.name);
    std::string sql = alter + " ADD CONSTRAINT " + name + " " + definition +
                      (can_wait && !is_open ? " NOT VALID;" : ";");
    if (can_wait && facts.value("validated", false)) {
      sql += "\n" + alter + " VALIDATE CONSTRAINT " + name + ";";
    }
    return sql;
  }
  if (kind == "view") {
    return "CREATE VIEW " + Sql(difference.name) + OptionsOf(facts) + " AS\n" + definition +
           RightsOf(difference, facts);
  }
  if (IsIn(kind, {"function", "procedure"})) {
    return definition + ";" + RightsOf(difference, facts);
  }
  if (IsIn(kind, {"trigger", "rule", "statistics"})) {
    return definition.empty() || definition.ends_with(";") ? definition : definition + ";";
  }
  return "";
}

// Only what holds no data and can be made again.
std::string RepairUnexpected(const CatalogDifference& difference) {
  const std::string& kind = difference.kind;
  if (kind == "index") return "DROP INDEX CONCURRENTLY " + Sql(difference.name) + ";";
  if (kind == "constraint") {
    return "ALTER TABLE " + Parent(difference.name) + " DROP CONSTRAINT " + Last(difference.name) +
           ";";
  }
  if (IsIn(kind, {"view", "trigger", "policy", "rule", "function", "procedure"})) {
    return "DROP " + Named(difference) + ";";
  }
  return "";
}

}  // namespace

std::string RepairSql(const CatalogDifference& difference, const CatalogImage& expected) {
  if (difference.what == What::kUnexpected) return RepairUnexpected(difference);
  const auto found = expected.objects.find({difference.kind, difference.name});
  if (found == expected.objects.end()) return "";
  const nlohmann::json facts = nlohmann::json::parse(found->second, nullptr, false);
  return difference.what == What::kMissing ? RepairMissing(difference, facts, expected)
                                           : RepairChanged(difference, facts);
}

}  // namespace lockstep::migration
