#include "services/migration/engine/run/standby_spacing.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);
// Most databases have none, and a run of many small steps need not ask before each.
constexpr absl::Duration kNoStandbyFor = absl::Seconds(1);

// Whether the step closes a table that others may use.
bool Closes(const RunSession& session, const Script& script) {
  const auto was_there = [&](const std::string& name) { return WasThere(session, name); };
  if (std::none_of(script.facts.written.begin(), script.facts.written.end(), was_there)) {
    return false;
  }
  for (const StatementLocks& statement : ClassifyStatements(script)) {
    for (const RelationLock& lock : statement.locks) {
      if (lock.mode == LockMode::kAccessExclusive && was_there(lock.qualified())) return true;
    }
  }
  return false;
}

// A standby whose state the server hides may be streaming.
absl::StatusOr<int> CountStandbys(pg::Connection& connection) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(std::string("SELECT count(*) AS n FROM pg_stat_replication AS r"
                                                " WHERE coalesce(r.state, 'streaming') ="
                                                " 'streaming' AND ") +
                                    kIsPhysical));
  return static_cast<int>(rows[0].Get<std::int64_t>("n"));
}

absl::Duration LeftNow(const RunSession& session, int standbys) {
  return SpacingLeft(session.closed_at, absl::Now(), session.options.standby_spacing, standbys);
}

}  // namespace

absl::Duration SpacingLeft(std::optional<absl::Time> closed_at, absl::Time now,
                           absl::Duration spacing, int standbys) {
  if (!closed_at.has_value() || standbys <= 0) return absl::ZeroDuration();
  return std::max(*closed_at + spacing - now, absl::ZeroDuration());
}

absl::Status SpaceOut(RunSession& session, const StepTask& task) {
  // No need to ask where even a standby would not make it wait.
  if (LeftNow(session, 1) <= absl::ZeroDuration()) return absl::OkStatus();
  const absl::Time now = absl::Now();
  if (now - session.no_standby_at < kNoStandbyFor) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int standbys, CountStandbys(session.connection));
  if (standbys == 0) session.no_standby_at = now;
  const absl::Duration left = LeftNow(session, standbys);
  if (left <= absl::ZeroDuration()) return absl::OkStatus();
  Happening spacing = task.Event(
      "spacing",
      absl::StrFormat("%s waits %.1f s: it takes ACCESS EXCLUSIVE, as the step before it did, and "
                      "%d standbys that replay both get time between them (--standby-spacing)",
                      task.text(), absl::ToDoubleSeconds(left), standbys));
  spacing.details["wait_ms"] = absl::ToInt64Milliseconds(left);
  spacing.details["standbys"] = standbys;
  session.journal.Emit(std::move(spacing));
  RETURN_IF_ERROR(FlushEvents(session));
  while (LeftNow(session, standbys) > absl::ZeroDuration() || session.attendant.is_paused()) {
    RETURN_IF_ERROR(MayBegin(session));
    RETURN_IF_ERROR(Sleep(session.context, kPoll));
  }
  return MayBegin(session);
}

absl::Status AwaitSpacing(RunSession& session, const StepTask& task) {
  if (LeftNow(session, 1) <= absl::ZeroDuration()) return absl::OkStatus();
  return Closes(session, task.script) ? SpaceOut(session, task) : absl::OkStatus();
}

void HasClosed(RunSession& session) { session.closed_at = absl::Now(); }

void NoteSpacing(RunSession& session, const StepTask& task) {
  if (session.options.standby_spacing > absl::ZeroDuration() && Closes(session, task.script)) {
    HasClosed(session);
  }
}

}  // namespace lockstep::migration
