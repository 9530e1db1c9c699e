#include "services/migration/engine/sql_rules.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/migration/engine/ownership.h"
#include "services/migration/engine/sql.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

// Settings that the engine sets for each step and checks before it commits.
constexpr std::string_view kEngineSettings[] = {
    "role",
    "session_authorization",
    "search_path",
    "timezone",
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "client_connection_check_interval",
    "client_encoding",
    "session_replication_role",
    "synchronous_commit",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_transaction_deferrable",
};

// Of these a history may set what it likes, for its own step: they say how its SQL is read.
constexpr std::string_view kLegacySettings[] = {
    "search_path",          "timezone",
    "lock_timeout",         "statement_timeout",
    "transaction_timeout",  "idle_in_transaction_session_timeout",
    "idle_session_timeout", "client_encoding",
    "synchronous_commit",   "default_transaction_isolation",
};

bool IsLegacySetting(std::string_view name) {
  return std::find(std::begin(kLegacySettings), std::end(kLegacySettings), name) !=
         std::end(kLegacySettings);
}

bool IsEngineSetting(std::string_view name) {
  return name.empty() || std::find(std::begin(kEngineSettings), std::end(kEngineSettings), name) !=
                             std::end(kEngineSettings);
}

bool IsSystemSchema(std::string_view schema) {
  return schema == "information_schema" || schema.starts_with("pg_");
}

class Checker {
 public:
  Checker(const ReadSql& sql, const RuleContext& context, std::set<std::string>& used_references,
          std::vector<Problem>& problems)
      : sql_(sql), context_(context), used_references_(used_references), problems_(problems) {}

  void Check() {
    if (!sql_.is_readable) return;
    const std::string& text = sql_.script.text;
    for (const std::size_t offset : MetaCommands(text)) {
      const std::string line = text.substr(offset, text.find_first_of("\r\n", offset) - offset);
      Refuse(offset, "SQL_META_COMMAND",
             "psql meta command " + line.substr(0, 40) + ": the engine runs SQL only");
    }
    if (sql_.script.is_opaque) {
      CheckOpaque();
      return;
    }
    for (const Statement& statement : sql_.statements) {
      if (context_.role == ScriptRole::kCheck) {
        CheckIsQuery(statement);
      } else {
        CheckKind(statement);
      }
      CheckCommon(statement);
      for (const ObjectUse& use : statement.uses) CheckUse(use);
    }
  }

 private:
  bool IsPrivileged() const {
    return context_.role == ScriptRole::kStep && context_.kind == StepKind::kPrivileged;
  }

  void Refuse(std::size_t offset, const char* code, std::string message) {
    const std::string& text = sql_.script.text;
    const std::size_t line_start = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;
    Problem problem{.file = sql_.script.file,
                    .line = LineOf(text, offset),
                    .column = static_cast<int>(offset - line_start) + 1,
                    .code = code,
                    .message = std::move(message)};
    // One mention can be reached on two ways through the tree.
    if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end()) {
      problems_.push_back(std::move(problem));
    }
  }

  void CheckCommon(const Statement& statement) {
    if (statement.is_transaction_control) {
      Refuse(statement.begin, "SQL_TRANSACTION_CONTROL",
             statement.tag + ": the engine begins and ends transactions");
    }
    for (const SettingChange& setting : statement.settings) CheckSetting(setting, statement);
    if (statement.copies_stream && !context_.has_copy_data) {
      Refuse(statement.begin, "SQL_COPY_STREAM",
             "COPY from or to the client: a step has no data stream; use INSERT");
    }
    if (statement.copies_file && !IsPrivileged()) {
      Refuse(statement.begin, "SQL_COPY_FILE",
             "COPY with a file or program of the server needs a privileged step");
    }
    if (statement.changes_session) {
      Refuse(statement.begin, "SQL_SESSION_STATE",
             statement.tag + " leaves state in the session that outlives the step");
    }
  }

  void CheckSetting(const SettingChange& setting, const Statement& statement) {
    const bool is_theirs = context_.is_legacy && IsLegacySetting(setting.name);
    if (IsEngineSetting(setting.name) && !is_theirs) {
      Refuse(statement.begin, "SQL_ENGINE_SETTING",
             (setting.name.empty() ? std::string("RESET ALL") : setting.name) +
                 ": the engine sets roles, limits and the search path; limits belong into "
                 "revision.textproto");
    } else if (!setting.is_local) {
      Refuse(statement.begin, "SQL_SESSION_STATE",
             setting.name + " would stay changed after the step; use SET LOCAL");
    }
  }

  void CheckIsQuery(const Statement& statement) {
    if (!statement.is_query || statement.changes_data) {
      Refuse(statement.begin, "SQL_NOT_A_QUERY",
             statement.tag + ": verify, guard and expect hold queries that change nothing");
    }
  }

  void CheckKind(const Statement& statement) {
    if (!IsPrivileged()) {
      if (statement.needs_administrator) {
        Refuse(statement.begin, "SQL_NEEDS_ADMINISTRATOR",
               statement.tag + " needs a privileged step");
        return;
      }
      if (statement.changes_owner) {
        Refuse(statement.begin, "SQL_OWNER_CHANGE",
               "ownership follows from the schema; moving it needs a privileged step");
      }
    }
    if (context_.kind == StepKind::kTransactional && statement.refuses_transaction) {
      Refuse(statement.begin, "SQL_NON_TRANSACTIONAL",
             statement.tag + " cannot run inside a transaction; it needs a non-transactional step");
    }
    if (context_.kind != StepKind::kNonTransactional) return;
    if (statement.node == "ClusterStmt") {
      Refuse(statement.begin, "SQL_OUTCOME_UNKNOWN",
             "CLUSTER of every table: after a crash nobody could tell which tables were done; "
             "CLUSTER one table in a transactional step");
      return;
    }
    if (!statement.refuses_transaction && !statement.may_run_alone) {
      Refuse(statement.begin, "SQL_TRANSACTIONAL",
             statement.tag +
                 " can run inside a transaction; in a non-transactional step a crash "
                 "would leave it half done");
    }
    if (statement.builds_unnamed_index) {
      Refuse(
          statement.begin, "SQL_UNNAMED_INDEX",
          "an index of a non-transactional step needs a name, so that it is found after a crash");
    }
  }

  void CheckUse(const ObjectUse& use) {
    const bool writes = use.access == ObjectUse::Access::kWrite;
    if (context_.is_legacy && (use.schema.empty() || use.schema == "public")) return;
    if (use.schema.empty()) {
      // Without a schema only built-in names are found: the search path holds nothing else.
      const bool is_builtin = !writes && (!use.is_relation || use.name.starts_with("pg_"));
      if (!is_builtin) {
        Refuse(use.offset, "SQL_UNQUALIFIED_NAME",
               use.name + " needs its schema in front: the search path is empty");
      }
      return;
    }
    if (use.schema == kLedgerSchema) {
      Refuse(use.offset, "SQL_LEDGER_SCHEMA",
             "schema " + use.schema + " is the engine's own; no revision may touch it");
      return;
    }
    if (use.schema == "pg_temp" || IsPrivileged()) return;
    if (IsSystemSchema(use.schema)) {
      if (writes) Refuse(use.offset, "SQL_SYSTEM_SCHEMA", "system schemas can only be read");
      return;
    }
    if (use.schema == "public") {
      if (writes || use.is_relation) {
        Refuse(use.offset, "SQL_PUBLIC_SCHEMA",
               "schema public holds the types and functions of extensions only");
      }
      return;
    }
    CheckOwner(use, writes);
  }

  void CheckOwner(const ObjectUse& use, bool writes) {
    const std::string_view owner = OwnerOf(use.schema);
    if (owner == context_.service) return;
    if (owner.empty()) {
      if (context_.is_legacy) return;
      Refuse(use.offset, "SQL_UNKNOWN_SCHEMA", "no service owns a schema " + use.schema);
      return;
    }
    const std::string name = use.name.empty() ? "schema " + use.schema : use.qualified();
    if (writes) {
      Refuse(use.offset, "SQL_FOREIGN_SCHEMA",
             name + " belongs to " + std::string(owner) + "; a revision of " +
                 std::string(context_.service) + " cannot change it");
      return;
    }
    const std::vector<std::string>& references = *context_.references;
    if (std::find(references.begin(), references.end(), name) == references.end()) {
      Refuse(use.offset, "SQL_UNDECLARED_REFERENCE",
             name + " belongs to " + std::string(owner) +
                 "; declare it in revision.textproto: references: \"" + name + "\"");
      return;
    }
    used_references_.insert(name);
  }

  // Of text that the parser cannot read only the first words of what looks like statements are
  // known. That is enough to keep transactions and the ledger safe; owners are checked by the
  // runner.
  void CheckOpaque() {
    if (context_.role == ScriptRole::kStep && context_.kind == StepKind::kNonTransactional) {
      Refuse(0, "SQL_OUTCOME_UNKNOWN",
             "the parser cannot read the file, so nobody could tell after a crash whether it was "
             "done; such a file needs another kind of step");
    }
    const std::vector<Word> words = CodeWords(sql_.script.text);
    const auto word = [&](std::size_t i) {
      return i < words.size() ? std::string_view(words[i].text) : std::string_view();
    };
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (word(i) == "MIGRATION" && word(i + 1) == ".") {
        Refuse(words[i].begin, "SQL_LEDGER_SCHEMA",
               "schema migration is the engine's own; no revision may touch it");
      }
      if (!words[i].starts_statement) continue;
      CheckOpaqueStatement(words, i);
    }
  }

  void CheckOpaqueStatement(const std::vector<Word>& words, std::size_t i) {
    const std::string_view first = words[i].text;
    const std::string_view second =
        i + 1 < words.size() ? std::string_view(words[i + 1].text) : std::string_view();
    const std::size_t offset = words[i].begin;
    constexpr std::string_view kControl[] = {"BEGIN", "START",     "COMMIT", "ROLLBACK",
                                             "ABORT", "SAVEPOINT", "RELEASE"};
    const bool is_control =
        std::find(std::begin(kControl), std::end(kControl), first) != std::end(kControl) ||
        (first == "PREPARE" && second == "TRANSACTION") ||
        (first == "SET" && second == "TRANSACTION");
    if (is_control) {
      Refuse(offset, "SQL_TRANSACTION_CONTROL",
             std::string(first) + ": the engine begins and ends transactions");
    } else if ((first == "SET" || first == "RESET") && !(context_.is_legacy && second == "LOCAL")) {
      Refuse(offset, "SQL_ENGINE_SETTING",
             std::string(first) + " is not allowed in a file that the parser cannot read");
    } else if (first == "COPY") {
      Refuse(offset, "SQL_COPY_STREAM",
             "COPY is not allowed in a file that the parser cannot read");
    }
  }

  const ReadSql& sql_;
  const RuleContext& context_;
  std::set<std::string>& used_references_;
  std::vector<Problem>& problems_;
};

}  // namespace

void CheckSql(const ReadSql& sql, const RuleContext& context,
              std::set<std::string>& used_references, std::vector<Problem>& problems) {
  Checker(sql, context, used_references, problems).Check();
}

}  // namespace lockstep::migration
