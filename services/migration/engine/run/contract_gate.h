// Holds a run before the steps of a CONTRACT until its gate is open and what goes has soaked.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/gate.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Refuses a run before its first step when the plan breaks builds in use (INCOMPATIBLE_BUILD).
// RunSession::force_gate lets it go on, which is an event "gate_forced".
absl::Status MayChangeBuilds(RunSession& session, const Plan& plan);
// The same before `next`, an item of `plan`, for builds that came since: asked when the last answer
// is older than a second.
absl::Status MayStillChangeBuilds(RunSession& session, const Plan& plan, const PlanItem& next);

// The gate of one revision during one run; one that is no CONTRACT has none. Used by one thread.
class ContractGate {
 public:
  // Waits at most `wait` for the gate, and as long again for the soak. `session` must outlive it.
  ContractGate(RunSession& session, std::size_t position, absl::Duration wait)
      : session_(session), position_(position), wait_(wait) {}

  // Before every step up of the revision; sets StepTask::ask_first, with which the step's own
  // transaction checks that nobody came since. Tells who blocks, and again when that changes
  // ("gate_waiting"); once it is open, on what evidence ("gate_opened", also in the ledger).
  // FAILED_PRECONDITION (GATE_CLOSED) when time is up; what MayGoOn says.
  absl::Status Await(StepTask& task);
  // Somebody came: Await looks again.
  void Close() { is_open_ = false; }

 private:
  absl::Status AwaitBuilds(GateState& state);
  absl::Status Force();
  absl::Status TellWaiting(const GateState& state);
  absl::Status TellOpened(const GateState& state);

  RunSession& session_;
  const std::size_t position_;
  const absl::Duration wait_;
  bool is_open_ = false;
  bool was_told_ = false;  // that it is open
  std::string told_;       // who blocks, as it was told last
  std::vector<std::string> known_;
};

}  // namespace lockstep::migration
