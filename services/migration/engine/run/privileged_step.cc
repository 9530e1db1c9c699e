#include "services/migration/engine/run/privileged_step.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/expectations.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/preflight.h"
#include "services/migration/engine/run/step_intents.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

// Without the events. Going down as the administrator, the revision stops counting as applied here;
// with printed SQL it did before the SQL was printed.
std::string RecordSql(RunSession& session, const StepTask& task,
                      const std::vector<VerificationResult>& checks) {
  return RecordChecksSql(session.sql, checks) + RecordAnnouncedSql(session, task, "NULL");
}

// Every (check_id, expected, actual) of the step. In the owner's role: what the step gives must be
// there for the owner.
absl::StatusOr<std::vector<VerificationResult>> Expectations(pg::Connection& connection,
                                                             const StepTask& task) {
  ASSIGN_OR_RETURN(const auto results,
                   connection.Script(EnterRoleSql(OwnerRole(task.revision.service)) +
                                     JoinStatements(task.step.expect.statements)));
  // One result is that of the role.
  return ReadExpectations(task, std::span(results).subspan(1));
}

// Waits until the server has let go of a connection of the administrator that broke. It is ended
// through a new one, since only an administrator may; if that cannot be had, it ends by itself as
// soon as the server looks for its client.
absl::Status EndLost(RunSession& session, int lost_pid) {
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  auto other = OpenAdministratorSession(session.options, session.key);
  if (other.ok())
    (*other)->Query("SELECT pg_terminate_backend($1)", lost_pid).status().IgnoreError();
  while (true) {
    ASSIGN_OR_RETURN(pg::Result alive,
                     session.connection.Query(std::string("SELECT s.pid FROM ") + kLiveSessions +
                                                  " WHERE s.token = $1 AND s.pid = $2",
                                              session.key.token, lost_pid));
    if (alive.empty()) return absl::OkStatus();
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE",
                   "an old backend does not end");
    }
    RETURN_IF_ERROR(Sleep(session.context, absl::Milliseconds(20)));
  }
}

// The administrator's connection broke around its COMMIT. The runner's own lives, so the ledger can
// be asked what became of it.
absl::Status Resolve(RunSession& session, const StepTask& task, int lost_pid) {
  const absl::Status ended = EndLost(session, lost_pid);
  const absl::StatusOr<bool> is_done =
      ended.ok() ? ResolveTail(session.journal, session.connection) : absl::StatusOr<bool>(ended);
  if (session.connection.is_lost()) return is_done.status();
  if (!is_done.ok()) {
    session.journal.OutcomeUnknown();
    return Error(absl::StatusCode::kUnknown, "COMMIT_OUTCOME_UNKNOWN",
                 task.text() +
                     ": the administrator's connection broke and the outcome could not "
                     "be read (" +
                     MessageOf(is_done.status()) + "); run again to find out and continue");
  }
  if (*is_done) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
               "the administrator's connection broke; " + task.text() +
                   " was rolled back; run again to continue");
}

// One transaction on the administrator's connection.
absl::Status Attempt(RunSession& session, const StepTask& task, const Limits& limits,
                     pg::Connection& administrator, StepOutcome& outcome) {
  Killpoint("privileged_before_begin");
  const std::string begin = BeginSql(session.sql, limits) +
                            "SELECT set_config('search_path', 'pg_catalog, public', true);\n" +
                            EnterLegacySql(task.revision);
  const auto sent = administrator.Script(begin + JoinStatements(task.script.statements) +
                                         LeaveLegacySql(task.revision, limits) + kFireConstraints);
  if (!sent.ok()) {
    const absl::Status translated = TranslateLedgerError(sent.status());
    if (translated != sent.status() || IsAboutLocks(translated)) return translated;
    return ScriptError("STEP_FAILED", task.text() + " failed at " + task.script.file,
                       sent.status());
  }
  if (task.direction == Direction::kUp && !task.step.expect.empty()) {
    ASSIGN_OR_RETURN(outcome.expectations, Expectations(administrator, task));
    TellExpectations(session, task, outcome.expectations);
    RETURN_IF_ERROR(ExpectationStatus(task, outcome.expectations));
  }
  Killpoint("privileged_checked");
  const std::string undoes =
      task.direction == Direction::kDown ? BeginUndoSql(task.revision) : std::string();
  const auto recorded = administrator.Script("SET LOCAL ROLE NONE;\n" + undoes +
                                             RecordSql(session, task, outcome.expectations) +
                                             session.journal.RecordSql(task.FinishedEvents()));
  absl::Status committed = recorded.status();
  if (committed.ok()) {
    administrator.SetAfterSendHook([] { Killpoint("privileged_commit_sent"); });
    committed = administrator.Commit();
    administrator.SetAfterSendHook({});
  }
  if (administrator.is_lost()) return Resolve(session, task, administrator.backend_pid());
  if (!committed.ok()) {
    session.journal.RolledBack();
    return TranslateLedgerError(committed);
  }
  session.journal.Committed();
  Killpoint("privileged_committed");
  return absl::OkStatus();
}

absl::Status RunAsAdministrator(RunSession& session, const StepTask& task, StepOutcome& outcome) {
  ASSIGN_OR_RETURN(const auto administrator,
                   OpenAdministratorSession(session.options, session.key));
  Preflight preflight(session, task);
  return RetryOnLocks(
      session, task, *administrator,
      [&] { return Attempt(session, task, preflight.limits(), *administrator, outcome); },
      &preflight);
}

// The extension that `CREATE EXTENSION [IF NOT EXISTS] name` or `DROP EXTENSION [IF EXISTS] name`
// is about.
struct ExtensionChange {
  std::string name;
  std::string schema;  // "" = any
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
  const auto identifier = [&](const std::string& text) {
    return text.size() > 2 && text.front() == '"' ? text.substr(1, text.size() - 2) : lower(text);
  };
  ExtensionChange change{
      .name = identifier(words[at]), .schema = "", .is_creation = verb == "create"};
  for (++at; at + 1 < words.size(); ++at) {
    if (lower(words[at]) == "schema") change.schema = identifier(words[at + 1]);
  }
  return change;
}

// nullopt: the catalog cannot tell.
absl::StatusOr<std::optional<bool>> ExtensionsAreAsWanted(RunSession& session,
                                                          const StepTask& task) {
  bool is_done = true;
  for (const std::string& statement : task.script.statements) {
    const auto change = ReadExtensionChange(statement);
    if (!change.has_value()) return std::optional<bool>();
    ASSIGN_OR_RETURN(
        pg::Result there,
        session.connection.Query("SELECT count(*) AS n FROM pg_extension AS e"
                                 "  JOIN pg_namespace AS n ON n.oid = e.extnamespace"
                                 " WHERE e.extname = $1 AND $2 IN ('', n.nspname::text)",
                                 change->name, change->is_creation ? change->schema : ""));
    is_done = is_done && (there[0].Get<std::int64_t>("n") == 1) == change->is_creation;
  }
  return std::optional<bool>(is_done);
}

// nullopt: the catalog cannot tell.
absl::StatusOr<std::optional<bool>> IsShownDone(RunSession& session, const StepTask& task,
                                                StepOutcome& outcome) {
  if (task.direction == Direction::kDown || task.step.expect.empty()) {
    return ExtensionsAreAsWanted(session, task);
  }
  RETURN_IF_ERROR(session.connection.Script("BEGIN READ ONLY").status());
  auto checks = Expectations(session.connection, task);
  if (session.connection.is_lost()) return checks.status();
  RETURN_IF_ERROR(session.connection.Script("ROLLBACK").status());
  // What the expectation reads may not exist before the administrator has been at work.
  if (!checks.ok()) {
    if (ReasonOf(checks.status()) == "EXPECTATION_FAILED") return checks.status();
    return std::optional<bool>(false);
  }
  outcome.expectations = *std::move(checks);
  return std::optional<bool>(ExpectationStatus(task, outcome.expectations).ok());
}

absl::Status PrintForAdministrator(RunSession& session, const StepTask& task) {
  Happening printed =
      task.Event("privileged_sql", task.text() + " waits for an administrator to run:\n" +
                                       JoinStatements(task.script.statements));
  printed.details["sql"] = task.script.text;
  session.journal.Emit(std::move(printed));
  return FlushEvents(session);
}

absl::Status WaitForAdministrator(RunSession& session, const StepTask& task, StepOutcome& outcome) {
  const absl::Time give_up = absl::Now() + session.options.privileged_wait;
  bool was_printed = false;
  while (true) {
    RETURN_IF_ERROR(MayGoOn(session));
    ASSIGN_OR_RETURN(const std::optional<bool> done, IsShownDone(session, task, outcome));
    if (done.value_or(false)) {
      TellExpectations(session, task, outcome.expectations);
      return absl::OkStatus();
    }
    if (!was_printed) {
      RETURN_IF_ERROR(PrintForAdministrator(session, task));
      was_printed = true;
      Killpoint("privileged_waiting");
    }
    if (!done.has_value()) {
      return Error(absl::StatusCode::kFailedPrecondition, "PRIVILEGED_STEP_NEEDS_ADMINISTRATOR",
                   task.text() +
                       " cannot be recognised in the catalog; give an administrator's connection "
                       "(--admin-url)");
    }
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "PRIVILEGED_STEP_PENDING",
                   task.text() + " still waits for an administrator; run again when it is done");
    }
    RETURN_IF_ERROR(Sleep(session.context, absl::Milliseconds(250)));
  }
}

// Records what the catalog shows as done.
absl::Status RecordShown(RunSession& session, const StepTask& task, const StepOutcome& outcome) {
  Killpoint("privileged_shown");
  return RecordInLedger(session, "", RecordSql(session, task, outcome.expectations),
                        task.FinishedEvents());
}

// Before the SQL of an undo is printed. From here on the revision counts as half undone: an
// instance that registers now waits, and whatever becomes of this run, the next one asks the
// catalog whether the administrator has acted.
absl::Status AnnounceUndo(RunSession& session, const StepTask& task) {
  RETURN_IF_ERROR(RecordInLedger(
      session, "", AnnounceSql(session, task, 1, JoinStatements(task.script.statements)), {}));
  Killpoint("privileged_announced");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StepOutcome> RunPrivilegedStep(RunSession& session, const StepTask& task,
                                              const UndoRequest& undo) {
  StepOutcome outcome;
  const bool is_down = task.direction == Direction::kDown;
  const bool prints = session.options.admin_url.empty();
  std::optional<bool> shown;
  if (task.is_half_undone || (is_down && prints)) {
    ASSIGN_OR_RETURN(shown, IsShownDone(session, task, outcome));
  }
  // The SQL of an undo that was broken off was printed: it may have been run since.
  if (task.is_half_undone && shown.value_or(false)) {
    TellExpectations(session, task, outcome.expectations);
    RETURN_IF_ERROR(RecordShown(session, task, outcome));
    return outcome;
  }
  if (is_down) {
    // What the catalog cannot show is only printed, not waited for: nothing has begun.
    const bool begins = prints && shown.has_value();
    ASSIGN_OR_RETURN(outcome, PrepareUndoAlone(session, task, undo,
                                               begins ? Mark::kHalfUndone : Mark::kNothing));
    if (begins) RETURN_IF_ERROR(AnnounceUndo(session, task));
  }
  if (!prints) {
    RETURN_IF_ERROR(RunAsAdministrator(session, task, outcome));
    return outcome;
  }
  RETURN_IF_ERROR(WaitForAdministrator(session, task, outcome));
  RETURN_IF_ERROR(RecordShown(session, task, outcome));
  return outcome;
}

}  // namespace lockstep::migration
