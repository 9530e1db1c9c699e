// What the linter knows of the schemas that a script meets: from the live catalog, and from the
// statements that came before.
//
// Tables that it does not know may exist and may be large. Names without a schema are taken as
// "public". Plain values; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/parse_tree.h"

namespace lockstep::migration {

// The type of a column in PostgreSQL's own short names, with its modifiers: "int4",
// "varchar(20)", "_text" for an array, "core.price" for a type of one's own.
struct ModelColumn {
  std::string type;
  bool is_not_null = false;
  bool is_new = false;
};

struct ModelIndex {
  std::string name;                    // without schema
  std::vector<std::string> columns;    // "" for an expression
  std::vector<std::string> used = {};  // all that it needs, in expressions and its condition, too
  bool is_unique = false;
  bool is_partial = false;
  bool is_new = false;
};

struct ModelConstraint {
  enum class Kind { kCheck, kForeign, kUnique, kPrimary, kExclude };
  Kind kind = Kind::kCheck;
  std::string name;
  std::vector<std::string> columns;  // kForeign, kUnique, kPrimary; of kCheck those that it names
  bool is_validated = true;
  std::vector<std::string> not_null_columns = {};  // kCheck: it says that these are not NULL
  std::string referenced = {};                     // kForeign: "core.platforms"
  std::vector<std::string> referenced_keys = {};   // kForeign; empty = its primary key
};

// What needs a relation to stay as it is.
struct ModelDependent {
  std::string name;     // "finance.margins"
  std::string service;  // that owns it; "" = none of ours
  bool is_view = true;  // else a foreign key
};

struct ModelTable {
  enum class Kind { kTable, kPartitioned, kView, kMaterializedView, kOther };
  Kind kind = Kind::kTable;
  bool is_new = false;               // made by the plan itself: nobody uses it yet
  std::optional<std::int64_t> rows;  // about; nullopt = not known
  bool knows_everything = false;     // columns, indexes and constraints are all there are
  bool has_grants = false;           // somebody but the owner may use it
  std::map<std::string, ModelColumn, std::less<>> columns;
  std::vector<ModelIndex> indexes;
  std::vector<ModelConstraint> constraints;
  std::vector<ModelDependent> dependents;
  std::vector<std::string> primary_key;
};

class SchemaModel {
 public:
  // nullptr: not known.
  const ModelTable* Find(std::string_view qualified) const;
  ModelTable* FindForChange(std::string_view qualified);
  ModelTable& Add(std::string qualified, ModelTable table);
  void Remove(std::string_view qualified);
  void Rename(std::string_view from, std::string to);

  // The table that has the index "schema.name"; "" = not known.
  std::string TableOfIndex(std::string_view qualified) const;

  // Types of one's own: whether a domain has a constraint; nullopt = not known, or no domain.
  std::optional<bool> IsConstrainedDomain(std::string_view qualified) const;
  void AddType(std::string qualified, bool is_constrained_domain);

  // Applies one statement of the parse tree. What it makes is new.
  void Apply(TreeNode body);
  // From now on what was new is somebody's: a release ends, a plan begins.
  void Settle();

  // The catalog was read: a relation that is not here does not exist.
  bool is_connected = false;
  // Of the server, as server_version_num says; 0 = not known.
  int server_version = 0;
  // Transactions older than a minute, dumps, prepared transactions, logical walsenders: for a
  // person.
  std::vector<std::string> long_transactions;

 private:
  std::map<std::string, ModelTable, std::less<>> tables_;
  std::map<std::string, bool, std::less<>> types_;
};

// "schema.name" of a RangeVar, "public" where the schema is missing; "" when there is none, or it
// is temporary.
std::string RelationName(TreeNode range_var);
// "schema.name" of a list of names, without its last `less` parts.
std::string NameOfList(TreeNode list, std::size_t less = 0);
// See ModelColumn::type.
std::string TypeText(TreeNode type_name);

}  // namespace lockstep::migration
