#include "services/migration/engine/run/undo.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/holdings.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

bool IsOwn(const std::string& table, const Revision& revision) {
  return OwnerOf(table.substr(0, table.find('.'))) == revision.service;
}

// Locks the tables among `names` that exist, in one order for everybody.
absl::Status LockTables(pg::Connection& connection, const std::set<std::string>& names,
                        std::string_view mode) {
  if (names.empty()) return absl::OkStatus();
  const std::vector<std::string> list(names.begin(), names.end());
  ASSIGN_OR_RETURN(
      pg::Result found,
      connection.Query(
          "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c"
          "  JOIN pg_namespace n ON n.oid = c.relnamespace"
          " WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY ($1::text[])"
          " ORDER BY 1",
          pg::ArrayLiteral(list)));
  if (found.empty()) return absl::OkStatus();
  std::string tables;
  for (const pg::Row row : found) tables += (tables.empty() ? "" : ", ") + row.Text("name");
  return connection.Query("LOCK TABLE " + tables + " IN " + std::string(mode) + " MODE").status();
}

absl::Status LockWhatGoes(pg::Connection& connection, const StepTask& task,
                          const std::set<std::string>& read) {
  const UndoLocks locks = LocksOf(task.revision, task.script, read);
  // The strongest lock first: going from a weaker to a stronger one later is how deadlocks are
  // made.
  RETURN_IF_ERROR(LockTables(connection, locks.exclusive, "ACCESS EXCLUSIVE"));
  return LockTables(connection, locks.shared, "SHARE ROW EXCLUSIVE");
}

absl::Status ForbidArchive(const Revision& revision, const std::vector<GuardFinding>& findings) {
  return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_FORBIDDEN",
               "revision " + revision.id +
                   " forbids keeping what its undo destroys: " + revision.archive_forbidden_reason)
      .With("revision", std::string_view(revision.id))
      .With("found", std::string_view(findings.front().what));
}

absl::Status GuardRefused(const Revision& revision, const std::vector<GuardFinding>& findings,
                          std::string_view more) {
  std::string list;
  for (const GuardFinding& finding : findings) {
    list += "\n  " + finding.what + ": " + std::to_string(finding.count);
  }
  return Error(absl::StatusCode::kFailedPrecondition, "GUARD_REFUSED",
               "undoing revision " + revision.id + " (" + revision.title +
                   ") would destroy:" + list + std::string(more))
      .With("revision", std::string_view(revision.id))
      .With("found", std::string_view(findings.front().what))
      .With("count", static_cast<long long>(findings.front().count));
}

}  // namespace

UndoLocks LocksOf(const Revision& revision, const Script& down, const std::set<std::string>& read) {
  UndoLocks locks;
  const ScriptFacts& facts = down.facts;
  locks.exclusive.insert(facts.written.begin(), facts.written.end());
  const std::vector<std::string> taken = TablesTakenFrom(down);
  locks.exclusive.insert(taken.begin(), taken.end());
  for (const DestroyedData& destroyed : revision.destroys) locks.exclusive.insert(destroyed.table);
  std::erase_if(locks.exclusive, [&](const std::string& table) { return !IsOwn(table, revision); });
  locks.shared = read;
  std::erase_if(locks.shared, [&](const std::string& table) {
    return locks.exclusive.contains(table) || !IsOwn(table, revision);
  });
  return locks;
}

bool RemembersSilence(const Script& down, const Script& guard,
                      const std::vector<const Script*>& later) {
  return !later.empty() && TakesWhatIsRead(down, guard);
}

std::set<std::string> ReadInUndo(const Script& guard, bool remembers,
                                 const std::vector<const Script*>& later) {
  std::set<std::string> read(guard.facts.read.begin(), guard.facts.read.end());
  for (const Script* script : later) {
    if (!remembers) break;
    const std::vector<std::string> tables = TablesTakenFrom(*script);
    read.insert(tables.begin(), tables.end());
  }
  return read;
}

absl::StatusOr<std::vector<GuardFinding>> AskGuard(pg::Connection& connection,
                                                   const Script& guard) {
  std::vector<GuardFinding> findings;
  if (guard.empty()) return findings;
  ASSIGN_OR_RETURN(const auto results, connection.Script(JoinStatements(guard.statements)));
  for (const pg::Result& result : results) {
    for (int row = 0; row < result.size(); ++row) {
      GuardFinding finding{.what = result.Cell(row, 0).value_or("(unnamed)"), .count = 1};
      if (result.columns().size() > 1) {
        const std::string text = result.Cell(row, 1).value_or("0");
        if (std::from_chars(text.data(), text.data() + text.size(), finding.count).ec !=
            std::errc()) {
          return Error(absl::StatusCode::kFailedPrecondition, "GUARD_INVALID",
                       guard.file + ": the second column of a query is not a number");
        }
      }
      if (finding.count > 0) findings.push_back(std::move(finding));
    }
  }
  return findings;
}

absl::Status RefusalOf(const Revision& revision, const std::vector<GuardFinding>& findings,
                       bool archive) {
  if (findings.empty()) return absl::OkStatus();
  // An irreversible revision goes only when its guard finds nothing; keeping a copy would not make
  // it right.
  if (archive && revision.irreversible_reason.empty()) {
    return revision.archive_forbidden_reason.empty() ? absl::OkStatus()
                                                     : ForbidArchive(revision, findings);
  }
  return GuardRefused(revision, findings, "");
}

namespace {

constexpr char kHalfWay[] =
    "\nThe steps before it are undone; `lockstep upgrade` brings them back, then the guard can be "
    "asked as a whole";

// nullopt: it cannot run, because what it reads is gone or never came to be.
absl::StatusOr<std::optional<std::vector<GuardFinding>>> AskInStep(const StepTask& task,
                                                                   const UndoRequest& request,
                                                                   pg::Connection& connection) {
  if (request.guard_may_be_broken) {
    RETURN_IF_ERROR(connection.Query("SAVEPOINT guard").status());
  }
  auto asked = AskGuard(connection, request.guard);
  if (asked.ok()) return std::optional(*std::move(asked));
  const std::string state = pg::SqlStateOf(asked.status());
  if (request.guard_may_be_broken && (state == "42P01" || state == "42703")) {
    RETURN_IF_ERROR(connection.Script("ROLLBACK TO SAVEPOINT guard").status());
    return std::optional<std::vector<GuardFinding>>();
  }
  if (state == "55P03" || state == "40P01") return asked.status();
  return ScriptError("STEP_FAILED", task.text() + ": the guard " + request.guard.file + " failed",
                     asked.status());
}

absl::Status RefuseInStep(const StepTask& task, const UndoRequest& request,
                          const std::vector<GuardFinding>& findings) {
  const absl::Status refusal = RefusalOf(task.revision, findings, request.archive);
  if (ReasonOf(refusal) != "GUARD_REFUSED" || request.asks_guard) return refusal;
  return GuardRefused(task.revision, findings, kHalfWay);
}

absl::Status Remember(const StepTask& task, const UndoRequest& request, pg::Connection& connection,
                      Prepared& prepared) {
  Holdings silent;
  for (const Script* later : request.later) {
    ASSIGN_OR_RETURN(Holdings holdings, Count(connection, *later));
    silent.merge(holdings);
  }
  prepared.events.push_back(RememberHoldings(task, silent));
  return absl::OkStatus();
}

absl::Status TakeOnlyWhatTheGuardSaw(const StepTask& task, pg::Connection& connection) {
  if (!TakesAway(task.script)) return absl::OkStatus();
  std::vector<GuardFinding> findings;
  if (task.script.is_opaque || task.script.facts.has_hidden_code) {
    findings.push_back({.what = "what " + task.script.file + " hides", .count = 1});
  }
  ASSIGN_OR_RETURN(const Holdings there, Count(connection, task.script));
  ASSIGN_OR_RETURN(const Holdings seen, RememberedHoldings(connection, task.revision));
  for (const auto& [name, holding] : there) {
    const auto known = seen.find(name);
    if (holding.count == 0 || (known != seen.end() && known->second == holding)) continue;
    findings.push_back(
        {.what = "values of " + name + " that the guard has not seen", .count = holding.count});
  }
  if (findings.empty()) return absl::OkStatus();
  return GuardRefused(task.revision, findings, kHalfWay);
}

// What has to be asked and kept before an undo.
struct UndoNeeds {
  bool keeps = false;               // everything that goes is archived
  bool asks = false;                // the guard
  bool remembers = false;           // holds the guard's silence for later steps
  std::set<std::string> read = {};  // by the guard, and by what remembers
};

UndoNeeds NeedsOf(const StepTask& task, const UndoRequest& request) {
  UndoNeeds needs;
  needs.keeps = request.archive && task.revision.irreversible_reason.empty() &&
                task.revision.archive_forbidden_reason.empty();
  // Where everything that goes is kept, the guard matters only for what cannot be seen.
  const bool is_seen =
      !task.script.facts.has_hidden_code && task.step.kind != StepKind::kPrivileged;
  const bool takes = TakesAway(task.script) && !(needs.keeps && is_seen);
  needs.asks = !request.guard.empty() && (request.asks_guard || takes);
  // What holds the guard's silence for later steps is read under the same locks.
  needs.remembers =
      needs.asks && !needs.keeps && RemembersSilence(task.script, request.guard, request.later);
  if (needs.asks) needs.read = ReadInUndo(request.guard, needs.remembers, request.later);
  return needs;
}

}  // namespace

std::vector<RelationLock> LocksOfPreparing(const StepTask& task, const UndoRequest& request) {
  std::vector<RelationLock> locks;
  const UndoNeeds needs = NeedsOf(task, request);
  if (!needs.asks && !request.archive) return locks;
  const auto add = [&](const std::set<std::string>& tables, LockMode mode) {
    for (const std::string& table : tables) {
      const std::size_t dot = table.find('.');
      if (dot == std::string::npos) continue;
      for (const Reach reach : {Reach::kItself, Reach::kHeirs}) {
        locks.push_back({.schema = table.substr(0, dot),
                         .name = table.substr(dot + 1),
                         .mode = mode,
                         .reach = reach});
      }
    }
  };
  const UndoLocks wanted = LocksOf(task.revision, task.script, needs.read);
  add(wanted.exclusive, LockMode::kAccessExclusive);
  add(wanted.shared, LockMode::kShareRowExclusive);
  return locks;
}

absl::StatusOr<Prepared> PrepareUndo(RunSession& session, const StepTask& task,
                                     const UndoRequest& request, pg::Connection& connection) {
  Prepared prepared;
  prepared.statements = task.script.statements;
  const auto [keeps, asks, remembers, read] = NeedsOf(task, request);
  if (!asks && !request.archive) return prepared;
  RETURN_IF_ERROR(LockWhatGoes(connection, task, read));
  killpoint::Killpoint("undo_locked");
  bool is_silent = false;
  if (asks) {
    ASSIGN_OR_RETURN(const std::optional<std::vector<GuardFinding>> findings,
                     AskInStep(task, request, connection));
    if (findings.has_value()) {
      RETURN_IF_ERROR(RefuseInStep(task, request, *findings));
      is_silent = findings->empty();
      if (remembers && is_silent) {
        RETURN_IF_ERROR(Remember(task, request, connection, prepared));
      }
    } else if (!keeps) {
      RETURN_IF_ERROR(TakeOnlyWhatTheGuardSaw(task, connection));
    }
  }
  if (keeps) {
    const ArchiveScope scope{.with_undeclared_rows = request.asks_guard,
                             .guard_is_silent = is_silent};
    RETURN_IF_ERROR(KeepWhatGoes(session, task, scope, connection, prepared));
    killpoint::Killpoint("undo_archived");
  }
  return prepared;
}

absl::StatusOr<StepOutcome> PrepareUndoAlone(RunSession& session, const StepTask& task,
                                             const UndoRequest& request, Mark mark) {
  pg::Connection& connection = session.connection;
  StepOutcome outcome;
  const auto attempt = [&]() -> absl::Status {
    const auto begun =
        connection.Script(BeginSql(session.sql, task.step.limits) +
                          (mark == Mark::kHalfUndone ? BeginUndoSql(task.revision) : "") +
                          EnterRoleSql(OwnerRole(task.revision.service)));
    if (!begun.ok()) return TranslateLedgerError(begun.status());
    ASSIGN_OR_RETURN(Prepared prepared, PrepareUndo(session, task, request, connection));
    const auto recorded = connection.Script("SET LOCAL ROLE NONE;\n" + prepared.record_sql +
                                            session.journal.RecordSql(std::move(prepared.events)));
    const absl::Status committed = recorded.ok() ? connection.Commit() : recorded.status();
    if (!committed.ok()) {
      if (!connection.is_lost()) session.journal.RolledBack();
      return TranslateLedgerError(committed);
    }
    session.journal.Committed();
    outcome.archives = std::move(prepared.archives);
    return absl::OkStatus();
  };
  // Its commit is not that of the step.
  const std::optional<InFlight> step =
      std::exchange(session.in_flight, InFlight{.text = "what precedes " + task.text()});
  const absl::Status prepared = RetryOnLocks(session, task, connection, attempt);
  if (connection.is_lost()) return prepared;
  session.in_flight = step;
  RETURN_IF_ERROR(prepared);
  return outcome;
}

}  // namespace lockstep::migration
