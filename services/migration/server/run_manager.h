// The runs that this process works on: one at a time, on a thread of its own, so that a run goes on
// when its caller goes away.
#pragma once

#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/context/context.h"
#include "services/migration/server/engines.h"
#include "services/migration/server/revision_feed.h"
#include "services/migration/server/run_feed.h"

namespace lockstep::migration {

// Thread-safe.
class RunManager final {
 public:
  // Both feeds are told when something happens in a run.
  RunManager(Engines& engines, RunFeed& feed, RevisionFeed& revisions)
      : engines_(engines), feed_(feed), revisions_(revisions) {}
  // Cancels the run at work and waits for it.
  ~RunManager();

  // Starts a run and returns once the ledger has it, or once it has failed before that. The same
  // request again returns the run that it started; another request with the same `run.run_id` is
  // INVALID_ARGUMENT (REQUEST_ID_REUSED). ABORTED (RUN_IN_PROGRESS) while another run is at work
  // here. Errors of Engines::Fresh and, as far as they come before the ledger has the run, of the
  // engine.
  [[nodiscard]] absl::StatusOr<RunInfo> Start(const Context& context, Direction direction,
                                              const std::string& target, const RunOptions& run);

  // Asks the run at work to stop. FAILED_PRECONDITION (RUN_NOT_ACTIVE) when it is not at work here.
  [[nodiscard]] absl::Status Cancel(const std::string& run_id);

 private:
  class Sink;

  // OK when no run is at work, RUN_IN_PROGRESS when one is.
  absl::Status AwaitIdle(const Context& context);
  void Work(std::shared_ptr<Engine> engine, Direction direction, const std::string& target,
            RunOptions run, const Context& context);

  Engines& engines_;
  RunFeed& feed_;
  RevisionFeed& revisions_;
  absl::Mutex thread_mu_;  // held while a run is started; taken before mu_
  std::thread thread_ ABSL_GUARDED_BY(thread_mu_);
  mutable absl::Mutex mu_;
  std::string active_run_ ABSL_GUARDED_BY(mu_);    // "" = none
  bool is_recorded_ ABSL_GUARDED_BY(mu_) = false;  // the ledger has the active run
  absl::Status last_status_ ABSL_GUARDED_BY(mu_);  // how the last run ended
  std::optional<Context> active_context_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lockstep::migration
