#include "services/migration/engine/run/undo.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/archive.h"

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

absl::Status LockWhatGoes(pg::Connection& connection, const StepTask& task, const Script& guard) {
  const ScriptFacts& facts = task.script.facts;
  std::set<std::string> written(facts.written.begin(), facts.written.end());
  written.insert(facts.rows_destroyed_in.begin(), facts.rows_destroyed_in.end());
  written.insert(facts.tables_dropped.begin(), facts.tables_dropped.end());
  for (const ColumnName& column : facts.columns_dropped) written.insert(column.table);
  for (const DestroyedData& destroyed : task.revision.destroys) written.insert(destroyed.table);
  std::erase_if(written, [&](const std::string& table) { return !IsOwn(table, task.revision); });
  std::set<std::string> counted(guard.facts.read.begin(), guard.facts.read.end());
  std::erase_if(counted, [&](const std::string& table) {
    return written.contains(table) || !IsOwn(table, task.revision);
  });
  // The strongest lock first: going from a weaker to a stronger one later is how deadlocks are
  // made.
  RETURN_IF_ERROR(LockTables(connection, written, "ACCESS EXCLUSIVE"));
  return LockTables(connection, counted, "SHARE ROW EXCLUSIVE");
}

absl::Status ForbidArchive(const Revision& revision, const std::vector<GuardFinding>& findings) {
  return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_FORBIDDEN",
               "revision " + revision.id +
                   " forbids keeping what its undo destroys: " + revision.archive_forbidden_reason)
      .With("revision", std::string_view(revision.id))
      .With("found", std::string_view(findings.front().what));
}

}  // namespace

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
  std::string list;
  for (const GuardFinding& finding : findings) {
    list += "\n  " + finding.what + ": " + std::to_string(finding.count);
  }
  return Error(
             absl::StatusCode::kFailedPrecondition, "GUARD_REFUSED",
             "undoing revision " + revision.id + " (" + revision.title + ") would destroy:" + list)
      .With("revision", std::string_view(revision.id))
      .With("found", std::string_view(findings.front().what))
      .With("count", static_cast<long long>(findings.front().count));
}

absl::StatusOr<Prepared> PrepareUndo(RunSession& session, const StepTask& task,
                                     const UndoRequest& request, pg::Connection& connection) {
  Prepared prepared;
  prepared.statements = task.script.statements;
  const Script nothing;
  const Script& guard = request.asks_guard ? request.guard : nothing;
  if (guard.empty() && !request.archive) return prepared;
  RETURN_IF_ERROR(LockWhatGoes(connection, task, guard));
  killpoint::Killpoint("undo_locked");

  std::vector<GuardFinding> findings;
  if (!guard.empty()) {
    if (request.guard_may_be_broken) {
      RETURN_IF_ERROR(connection.Query("SAVEPOINT guard").status());
    }
    auto asked = AskGuard(connection, guard);
    const std::string state = pg::SqlStateOf(asked.status());
    if (!asked.ok() && request.guard_may_be_broken && (state == "42P01" || state == "42703")) {
      RETURN_IF_ERROR(connection.Script("ROLLBACK TO SAVEPOINT guard").status());
      session.journal.Emit(
          task.Event("warning", "the guard of the half-applied revision " + task.revision.id +
                                    " cannot be asked: " + DescribeDatabaseError(asked.status())));
    } else if (!asked.ok()) {
      if (state == "55P03" || state == "40P01") return asked.status();
      return ScriptError("STEP_FAILED", task.text() + ": the guard " + guard.file + " failed",
                         asked.status());
    } else {
      findings = *std::move(asked);
    }
  }
  RETURN_IF_ERROR(RefusalOf(task.revision, findings, request.archive));
  if (request.archive && task.revision.irreversible_reason.empty() &&
      task.revision.archive_forbidden_reason.empty()) {
    RETURN_IF_ERROR(KeepWhatGoes(session, task, request.asks_guard, connection, prepared));
    killpoint::Killpoint("undo_archived");
  }
  return prepared;
}

}  // namespace lockstep::migration
