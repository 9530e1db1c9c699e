#include "services/migration/engine/sql_statements.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>

namespace lockstep::migration {
namespace {

using NameTag = std::pair<std::string_view, std::string_view>;

// Tags that do not follow from the node's name.
constexpr NameTag kTags[] = {
    {"AlterEnumStmt", "ALTER TYPE"},      {"AlterObjectSchemaStmt", "ALTER SCHEMA OF"},
    {"AlterOwnerStmt", "ALTER OWNER"},    {"AlterSeqStmt", "ALTER SEQUENCE"},
    {"CompositeTypeStmt", "CREATE TYPE"}, {"ConstraintsSetStmt", "SET CONSTRAINTS"},
    {"CreateEnumStmt", "CREATE TYPE"},    {"CreateRangeStmt", "CREATE TYPE"},
    {"CreateSeqStmt", "CREATE SEQUENCE"}, {"CreateStatsStmt", "CREATE STATISTICS"},
    {"CreateStmt", "CREATE TABLE"},       {"CreateTableAsStmt", "CREATE TABLE AS"},
    {"CreateTrigStmt", "CREATE TRIGGER"}, {"DefineStmt", "CREATE"},
    {"IndexStmt", "CREATE INDEX"},        {"RefreshMatViewStmt", "REFRESH MATERIALIZED VIEW"},
    {"RuleStmt", "CREATE RULE"},          {"TruncateStmt", "TRUNCATE TABLE"},
    {"VariableSetStmt", "SET"},           {"ViewStmt", "CREATE VIEW"},
};

// What belongs to a database administrator: it reaches beyond the schemas of one owner.
constexpr std::string_view kAdministrative[] = {
    "AlterDatabaseRefreshCollStmt",
    "AlterDatabaseSetStmt",
    "AlterDatabaseStmt",
    "AlterEventTrigStmt",
    "AlterExtensionContentsStmt",
    "AlterExtensionStmt",
    "AlterFdwStmt",
    "AlterForeignServerStmt",
    "AlterPublicationStmt",
    "AlterRoleSetStmt",
    "AlterRoleStmt",
    "AlterSubscriptionStmt",
    "AlterSystemStmt",
    "AlterTableMoveAllStmt",
    "AlterTableSpaceOptionsStmt",
    "AlterUserMappingStmt",
    "CheckPointStmt",
    "CreateEventTrigStmt",
    "CreateExtensionStmt",
    "CreateFdwStmt",
    "CreateForeignServerStmt",
    "CreatePLangStmt",
    "CreatePublicationStmt",
    "CreateRoleStmt",
    "CreateSchemaStmt",
    "CreateSubscriptionStmt",
    "CreateTableSpaceStmt",
    "CreateTransformStmt",
    "CreateUserMappingStmt",
    "CreatedbStmt",
    "DropOwnedStmt",
    "DropRoleStmt",
    "DropSubscriptionStmt",
    "DropTableSpaceStmt",
    "DropUserMappingStmt",
    "DropdbStmt",
    "GrantRoleStmt",
    "ImportForeignSchemaStmt",
    "LoadStmt",
    "ReassignOwnedStmt",
};

constexpr std::string_view kAdministrativeObjects[] = {
    "OBJECT_DATABASE",       "OBJECT_EVENT_TRIGGER", "OBJECT_EXTENSION",    "OBJECT_FDW",
    "OBJECT_FOREIGN_SERVER", "OBJECT_LANGUAGE",      "OBJECT_PUBLICATION",  "OBJECT_ROLE",
    "OBJECT_SUBSCRIPTION",   "OBJECT_TABLESPACE",    "OBJECT_USER_MAPPING",
};

constexpr std::string_view kSessionState[] = {"DeallocateStmt", "DiscardStmt", "ExecuteStmt",
                                              "ListenStmt",     "PrepareStmt", "UnlistenStmt"};

constexpr std::string_view kOutsideTransactions[] = {
    "AlterSystemStmt", "CreateTableSpaceStmt", "CreatedbStmt", "DropTableSpaceStmt", "DropdbStmt"};

template <std::size_t N>
bool IsOneOf(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// "OBJECT_MATVIEW" -> "MATERIALIZED VIEW".
std::string ObjectWords(std::string_view object_type) {
  if (object_type == "OBJECT_MATVIEW") return "MATERIALIZED VIEW";
  std::string words(object_type.substr(std::min(object_type.size(), sizeof("OBJECT_") - 1)));
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

// "CreateFunctionStmt" -> "CREATE FUNCTION".
std::string WordsOf(std::string_view node) {
  if (node.ends_with("Stmt")) node.remove_suffix(4);
  std::string words;
  for (const char c : node) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !words.empty()) words += ' ';
    words += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return words;
}

std::string TagOf(std::string_view node, TreeNode body) {
  if (node == "DropStmt") return "DROP " + ObjectWords(body["removeType"].raw());
  if (node == "AlterTableStmt") return "ALTER " + ObjectWords(body["objtype"].raw());
  if (node == "RenameStmt") return "ALTER " + ObjectWords(body["renameType"].raw()) + " RENAME";
  if (node == "CreateTableAsStmt" && body["objtype"].raw() == "OBJECT_MATVIEW") {
    return "CREATE MATERIALIZED VIEW";
  }
  if (node == "DefineStmt") return "CREATE " + ObjectWords(body["kind"].raw());
  if (node == "VacuumStmt" && !body["is_vacuumcmd"].IsTrue()) return "ANALYZE";
  if (node == "GrantStmt" && !body["is_grant"].IsTrue()) return "REVOKE";
  for (const auto& [name, tag] : kTags) {
    if (name == node) return std::string(tag);
  }
  return WordsOf(node);
}

// Calls `visit` with every AlterTableCmd of an ALTER TABLE.
template <typename Visit>
void ForEachCommand(TreeNode alter_table, Visit visit) {
  for (TreeNode cmd = alter_table["cmds"].first(); !cmd.empty(); cmd = cmd.next()) {
    visit(cmd["AlterTableCmd"]);
  }
}

bool RefusesTransaction(std::string_view node, TreeNode body) {
  if (IsOneOf(node, kOutsideTransactions)) return true;
  if (node == "IndexStmt" || node == "DropStmt") return body["concurrent"].IsTrue();
  if (node == "VacuumStmt") return body["is_vacuumcmd"].IsTrue();
  if (node == "ClusterStmt") return !body.Has("relation");
  if (node == "ReindexStmt") {
    const std::string_view kind = body["kind"].raw();
    return HasOption(body["params"], "concurrently") || kind == "REINDEX_OBJECT_SCHEMA" ||
           kind == "REINDEX_OBJECT_SYSTEM" || kind == "REINDEX_OBJECT_DATABASE";
  }
  bool refuses = false;
  if (node == "AlterTableStmt") {
    ForEachCommand(body, [&](TreeNode cmd) {
      refuses = refuses || (cmd["subtype"].raw() == "AT_DetachPartition" &&
                            cmd["def"]["PartitionCmd"]["concurrent"].IsTrue());
    });
  }
  return refuses;
}

// Harmless to repeat after a crash, and better not done while the locks of other statements are
// held.
bool MayRunAlone(std::string_view node, TreeNode body) {
  if (node == "VacuumStmt") return true;
  if (node != "AlterTableStmt") return false;
  bool only_these = true;
  ForEachCommand(body, [&](TreeNode cmd) {
    const std::string_view subtype = cmd["subtype"].raw();
    only_these = only_these &&
                 (subtype == "AT_ValidateConstraint" || subtype == "AT_DetachPartitionFinalize");
  });
  return only_these;
}

bool NeedsAdministrator(std::string_view node, TreeNode body) {
  if (IsOneOf(node, kAdministrative)) return true;
  for (const std::string_view member : {"removeType", "renameType", "objectType", "objtype"}) {
    const std::string_view type = body[member].raw();
    if (IsOneOf(type, kAdministrativeObjects)) return true;
    // Schemas come from bootstrap; granting on them and commenting on them is their owner's
    // business.
    if (type == "OBJECT_SCHEMA" && node != "GrantStmt" && node != "CommentStmt") return true;
  }
  return false;
}

bool ChangesOwner(std::string_view node, TreeNode body) {
  if (node == "AlterOwnerStmt") return true;
  bool changes = false;
  if (node == "AlterTableStmt") {
    ForEachCommand(
        body, [&](TreeNode cmd) { changes = changes || cmd["subtype"].raw() == "AT_ChangeOwner"; });
  }
  return changes;
}

void ReadSetting(TreeNode body, Statement& statement) {
  const std::string_view kind = body["kind"].raw();
  if (kind == "VAR_SET_MULTI") {  // SET TRANSACTION, SET SESSION CHARACTERISTICS
    statement.is_transaction_control = true;
    return;
  }
  std::string name = body["name"].text();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (kind == "VAR_RESET_ALL") name.clear();
  statement.settings.push_back({std::move(name), body["is_local"].IsTrue()});
}

}  // namespace

void Classify(TreeNode wrapped, Statement& statement) {
  const std::string_view node = wrapped.key();
  statement.node = node;
  statement.tag = TagOf(node, wrapped);
  statement.is_transaction_control = node == "TransactionStmt";
  statement.refuses_transaction = RefusesTransaction(node, wrapped);
  statement.may_run_alone = MayRunAlone(node, wrapped);
  statement.builds_unnamed_index = node == "IndexStmt" && !wrapped.Has("idxname");
  statement.needs_administrator = NeedsAdministrator(node, wrapped);
  statement.changes_owner = ChangesOwner(node, wrapped);
  statement.changes_session = IsOneOf(node, kSessionState);
  statement.is_query = node == "SelectStmt";
  if (node == "CopyStmt") {
    statement.copies_file = wrapped.Has("filename");
    statement.copies_stream = !statement.copies_file;
  }
  if (node == "VariableSetStmt") ReadSetting(wrapped, statement);
}

}  // namespace lockstep::migration
