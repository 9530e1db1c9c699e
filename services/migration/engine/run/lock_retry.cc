#include "services/migration/engine/run/lock_retry.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::migration {
namespace {

constexpr char kCancelled[] = "57014";

// Why an attempt came to nothing, for a person.
std::string CauseOf(const absl::Status& status, bool has_yielded) {
  return has_yielded ? std::string("others queued behind it") : DescribeDatabaseError(status);
}

}  // namespace

bool IsAboutLocks(const absl::Status& status) {
  const std::string state = pg::SqlStateOf(status);
  return state == "55P03" || state == "40P01" || state == "40001";
}

absl::Duration Backoff(int tries) {
  static thread_local std::mt19937 generator{std::random_device{}()};
  const absl::Duration full =
      std::min(absl::Milliseconds(100) * (1 << std::min(tries, 6)), absl::Seconds(5));
  return full * std::uniform_real_distribution<double>(0.5, 1.0)(generator);
}

absl::Status RetryOnLocks(RunSession& session, const StepTask& task, pg::Connection& connection,
                          absl::FunctionRef<absl::Status()> attempt, Preflight* preflight) {
  const absl::Time give_up = absl::Now() + absl::Seconds(task.step.limits.retry_for_seconds);
  std::vector<LockHolder> holders;  // as they were seen last
  for (int tries = 0;; ++tries) {
    RETURN_IF_ERROR(MayGoOn(session));
    if (preflight != nullptr) RETURN_IF_ERROR(preflight->Await(tries, give_up));
    absl::Status status;
    {
      const Attendant::Watch watch(
          session.attendant, task.Event("", ""), &connection,
          preflight == nullptr ? absl::InfiniteDuration() : preflight->grace());
      status = attempt();
    }
    // A short wait may end before anybody has looked who is in the way.
    if (auto seen = session.attendant.last_holders(); !seen.empty()) holders = std::move(seen);
    if (connection.is_lost()) return status;
    if (connection.is_in_transaction()) {
      RETURN_IF_ERROR(connection.Script("ROLLBACK").status());
    }
    if (status.ok()) return status;
    // That the run was cancelled or lost its lease says more than what that did to the statement.
    RETURN_IF_ERROR(MayGoOn(session));
    const bool has_yielded =
        session.attendant.has_yielded() && pg::SqlStateOf(status) == kCancelled;
    if (!IsAboutLocks(status) && !has_yielded) return status;
    const std::string cause = CauseOf(status, has_yielded);
    if (absl::Now() >= give_up) return StepBlocked(task, cause, holders);
    Happening retry = task.Event(
        "step_retried", task.text() + " was rolled back (" + cause + ") and will be tried again");
    retry.details["sqlstate"] = pg::SqlStateOf(status);
    retry.details["attempt"] = tries + 1;
    retry.details["made_room"] = has_yielded;
    session.journal.Emit(std::move(retry));
    // Nothing is locked while we wait, and the log in the ledger says why.
    RETURN_IF_ERROR(FlushEvents(session));
    const absl::Duration pause =
        std::min(Backoff(tries), std::max(give_up - absl::Now(), absl::Milliseconds(1)));
    RETURN_IF_ERROR(Sleep(session.context, pause));
  }
}

}  // namespace lockstep::migration
