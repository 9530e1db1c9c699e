// Sends statements that run outside of transactions: on the runner's main connection, as the owner,
// right after a lease check, and watched by the attendant.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/run/preflight.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Of one step; both must outlive it. Used by the runner's thread, outside of transactions.
class AloneStatement {
 public:
  AloneStatement(RunSession& session, const StepTask& task) : session_(session), task_(task) {}

  // What a build, which blocks neither readers nor writers, gets: no timeouts. One that ends such a
  // build leaves an invalid index behind and frees nobody.
  Limits Unlimited() const;
  // What a long scan gets that others may queue behind while it waits, but not while it works: the
  // lock timeout of the step.
  Limits LongWork() const;

  // Sends it once. A timeout of 0 in `limits` is none. What MayGoOn says, LEASE_LOST, or what the
  // server says.
  absl::Status SendOnce(const std::string& statement, const Limits& limits);
  // The same with patience for locks.
  absl::Status Send(const std::string& statement, const Limits& limits);
  // Looks first who holds `preflight`'s relations, and sends it with the limits that this allows,
  // making room for those who queue behind it. REQUIRES: it is one transaction of the server, or
  // one whose half can be found again.
  absl::Status SendPolitely(const std::string& statement, Preflight& preflight);

  // Runs `attempt` with patience for locks (RetryOnLocks); STEP_FAILED for what else the server
  // refuses.
  absl::Status Patiently(absl::FunctionRef<absl::Status()> attempt, Preflight* preflight = nullptr);

 private:
  RunSession& session_;
  const StepTask& task_;
};

}  // namespace lockstep::migration
