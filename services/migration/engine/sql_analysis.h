// What the statements of a script are and which objects they name, from PostgreSQL's parse tree. No
// judgement: whether a service may do so is decided by sql_rules.h. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {

// One mention of a named object.
struct ObjectUse {
  enum class Access { kRead, kWrite };
  Access access = Access::kRead;
  bool is_relation = false;  // table, view, sequence, index; else type, function, collation, ...
  std::string schema;        // "" = not qualified
  std::string name;          // "" = the schema itself
  std::size_t offset = 0;    // byte in the script

  std::string qualified() const { return schema + "." + name; }
};

// A setting that a statement changes: SET, RESET, or set_config() with a literal name.
struct SettingChange {
  std::string name;  // lower case; "" = RESET ALL
  bool is_local = false;
};

struct Statement {
  std::string node;       // name of the parse tree node: "AlterTableStmt"
  std::string tag;        // "ALTER TABLE"
  std::size_t begin = 0;  // bytes of the script; the first token, without comments in front
  std::size_t end = 0;
  std::vector<ObjectUse> uses;
  std::vector<SettingChange> settings;
  bool is_transaction_control = false;
  bool refuses_transaction = false;  // cannot run inside BEGIN .. COMMIT
  bool may_run_alone =
      false;  // fits into a non-transactional step though it could run inside a transaction
  bool builds_unnamed_index = false;
  bool copies_stream = false;        // COPY FROM STDIN, TO STDOUT
  bool copies_file = false;          // COPY with a file or a program
  bool needs_administrator = false;  // roles, extensions, schemas, databases
  bool changes_owner = false;
  bool changes_session = false;  // DISCARD, PREPARE, LISTEN: state that outlives the step
  bool is_query = false;         // SELECT or VALUES
  bool changes_data = false;     // SELECT INTO, or INSERT, UPDATE, DELETE, MERGE at any depth
};

struct Analysis {
  std::vector<Statement> statements;
  ScriptFacts facts;
};

// Reads the whole parse tree of `text`. `tokens` are its tokens, `root` is the root of its tree.
Analysis Analyse(const std::string& text, const std::vector<Token>& tokens, TreeNode root);

}  // namespace lockstep::migration
