#include "services/migration/engine/run/privileged_step.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

std::string RecordSql(RunSession& session, const StepTask& task) {
  std::string sql;
  if (task.direction == Direction::kUp) {
    sql = MendedSql(session, task) + RecordStepSql(session.sql, task.revision, task.step);
    if (task.is_last) sql += RecordRevisionSql(session.sql, task.revision);
  } else {
    sql = BeginUndoSql(task.revision) + RecordUndoSql(session.sql, task.revision, task.step);
  }
  return sql + session.journal.RecordSql(task.FinishedEvents());
}

// Whether every (check_id, expected, actual) of the step agrees.
absl::StatusOr<bool> ExpectationsHold(pg::Connection& connection, const Step& step) {
  ASSIGN_OR_RETURN(const auto results, connection.Script(JoinStatements(step.expect.statements)));
  for (const pg::Result& result : results) {
    for (int row = 0; row < result.size(); ++row) {
      if (result.columns().size() != 3 || result.Cell(row, 1) != result.Cell(row, 2)) return false;
    }
  }
  return true;
}

absl::Status RunAsAdministrator(RunSession& session, const StepTask& task) {
  ASSIGN_OR_RETURN(const auto administrator,
                   OpenAdministratorSession(session.options, session.key));
  Killpoint("privileged_before_begin");
  const std::string begin = BeginSql(session.sql, task.step.limits) +
                            "SELECT set_config('search_path', 'pg_catalog, public', true);\n";
  auto sent =
      administrator->Script(begin + JoinStatements(task.script.statements) + kFireConstraints);
  if (!sent.ok()) {
    const absl::Status translated = TranslateLedgerError(sent.status());
    if (translated != sent.status()) return translated;
    return ScriptError("STEP_FAILED", task.text() + " failed at " + task.script.file,
                       sent.status());
  }
  if (task.direction == Direction::kUp && !task.step.expect.empty()) {
    ASSIGN_OR_RETURN(const bool holds, ExpectationsHold(*administrator, task.step));
    if (!holds) {
      return Error(absl::StatusCode::kFailedPrecondition, "EXPECTATION_FAILED",
                   task.text() + " was rolled back: its expectations do not hold");
    }
  }
  Killpoint("privileged_checked");
  auto recorded = administrator->Script("RESET ROLE;\n" + RecordSql(session, task));
  absl::Status committed = recorded.ok() ? administrator->Commit() : recorded.status();
  if (!committed.ok()) {
    session.journal.RolledBack();
    if (administrator->is_lost()) {
      return Error(absl::StatusCode::kUnknown, "COMMIT_OUTCOME_UNKNOWN",
                   task.text() + ": the administrator's connection broke; run again to find out");
    }
    return TranslateLedgerError(committed);
  }
  session.journal.Committed();
  Killpoint("privileged_committed");
  return absl::OkStatus();
}

// The extension that `CREATE EXTENSION [IF NOT EXISTS] name` or `DROP EXTENSION [IF EXISTS] name`
// is about.
struct ExtensionChange {
  std::string name;
  bool is_creation = true;
};

std::optional<ExtensionChange> ReadExtensionChange(const std::string& statement) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : statement + " ") {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  };
  if (words.size() < 3 || lower(words[1]) != "extension") return std::nullopt;
  const std::string verb = lower(words[0]);
  if (verb != "create" && verb != "drop") return std::nullopt;
  std::size_t at = 2;
  for (const char* filler : {"if", "not", "exists"}) {
    if (at < words.size() && lower(words[at]) == filler) ++at;
  }
  if (at >= words.size()) return std::nullopt;
  std::string name = words[at];
  if (name.size() > 2 && name.front() == '"') {
    name = name.substr(1, name.size() - 2);
  } else {
    name = lower(name);
  }
  return ExtensionChange{.name = name, .is_creation = verb == "create"};
}

// nullopt: the catalog cannot tell.
absl::StatusOr<std::optional<bool>> IsShownDone(RunSession& session, const StepTask& task) {
  if (task.direction == Direction::kUp && !task.step.expect.empty()) {
    const auto holds = ExpectationsHold(session.connection, task.step);
    // What the expectation reads may not exist before the administrator has been at work.
    if (!holds.ok() && session.connection.is_lost()) return holds.status();
    return std::optional<bool>(holds.ok() && *holds);
  }
  bool is_done = true;
  for (const std::string& statement : task.script.statements) {
    const auto change = ReadExtensionChange(statement);
    if (!change.has_value()) return std::optional<bool>();
    ASSIGN_OR_RETURN(
        pg::Result there,
        session.connection.Query("SELECT count(*) AS n FROM pg_extension WHERE extname = $1",
                                 change->name));
    is_done = is_done && (there[0].Get<std::int64_t>("n") == 1) == change->is_creation;
  }
  return std::optional<bool>(is_done);
}

absl::Status WaitForAdministrator(RunSession& session, const StepTask& task) {
  const absl::Time give_up = absl::Now() + session.options.privileged_wait;
  bool was_printed = false;
  while (true) {
    RETURN_IF_ERROR(MayGoOn(session));
    ASSIGN_OR_RETURN(const std::optional<bool> done, IsShownDone(session, task));
    if (!done.has_value()) {
      return Error(absl::StatusCode::kFailedPrecondition, "PRIVILEGED_STEP_NEEDS_ADMINISTRATOR",
                   task.text() +
                       " cannot be recognised in the catalog; give an administrator's connection "
                       "(--admin-url)");
    }
    if (*done) return absl::OkStatus();
    if (!was_printed) {
      Happening printed =
          task.Event("privileged_sql", task.text() + " waits for an administrator to run:\n" +
                                           JoinStatements(task.script.statements));
      printed.details["sql"] = task.script.text;
      session.journal.Emit(std::move(printed));
      RETURN_IF_ERROR(FlushEvents(session));
      was_printed = true;
      Killpoint("privileged_waiting");
    }
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "PRIVILEGED_STEP_PENDING",
                   task.text() + " still waits for an administrator; run again when it is done");
    }
    RETURN_IF_ERROR(Sleep(session.context, absl::Milliseconds(250)));
  }
}

}  // namespace

absl::Status RunPrivilegedStep(RunSession& session, const StepTask& task) {
  if (!session.options.admin_url.empty()) return RunAsAdministrator(session, task);
  RETURN_IF_ERROR(WaitForAdministrator(session, task));
  const auto recorded = RunScript(session.connection, "BEGIN;\n" + AssertLeaseSql(session.key) +
                                                          RecordSql(session, task) + "COMMIT;");
  if (!recorded.ok()) {
    if (!session.connection.is_lost()) session.journal.RolledBack();
    return TranslateLedgerError(recorded.status());
  }
  session.journal.Committed();
  return absl::OkStatus();
}

}  // namespace lockstep::migration
