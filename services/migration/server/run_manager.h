// The runs that this process works on: one at a time, on a thread of its own, so that a run goes on
// when its caller goes away. Watchers are told when there are new events; they read them from the
// ledger, so that none is lost or repeated.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/context/context.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

// Thread-safe.
class RunManager final {
 public:
  explicit RunManager(Engine& engine) : engine_(engine) {}
  // Cancels the run at work and waits for it.
  ~RunManager();

  // Starts a run and returns once the ledger has it, or once it has failed before that. The same
  // `run.run_id` again returns the run that has it. ABORTED (RUN_IN_PROGRESS) while another one is
  // at work here.
  [[nodiscard]] absl::StatusOr<RunInfo> Start(const Context& context, Direction direction,
                                              const std::string& target, const RunOptions& run);

  // Asks the run at work to stop. FAILED_PRECONDITION (RUN_NOT_ACTIVE) when it is not at work here.
  [[nodiscard]] absl::Status Cancel(const std::string& run_id);

  // Calls `notify` after each new event of the run and when it ends, until the subscription is
  // destroyed. `notify` must be quick and must not block.
  class Subscription {
   public:
    Subscription(RunManager& manager, std::uint64_t id) : manager_(&manager), id_(id) {}
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    RunManager* manager_;
    std::uint64_t id_;
  };
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(std::string run_id,
                                                        std::function<void()> notify);

  // Whether this process works on the run now. A run that is not over and not here belongs to
  // another process; its watchers have to poll.
  [[nodiscard]] bool IsActive(const std::string& run_id) const;

 private:
  class Sink;
  struct Watcher {
    std::string run_id;
    std::function<void()> notify;
  };

  void Work(Direction direction, std::string target, RunOptions run, Context context);
  void NotifyWatchers(const std::string& run_id);

  Engine& engine_;
  mutable absl::Mutex mu_;
  std::string active_run_ ABSL_GUARDED_BY(mu_);    // "" = none
  bool is_recorded_ ABSL_GUARDED_BY(mu_) = false;  // the ledger has the active run
  absl::Status last_status_ ABSL_GUARDED_BY(mu_);  // how the last run ended
  std::optional<Context> active_context_ ABSL_GUARDED_BY(mu_);
  std::map<std::uint64_t, Watcher> watchers_ ABSL_GUARDED_BY(mu_);
  std::uint64_t next_watcher_ ABSL_GUARDED_BY(mu_) = 1;
  absl::Mutex thread_mu_;  // held while the thread is replaced
  std::thread thread_ ABSL_GUARDED_BY(thread_mu_);
};

}  // namespace lockstep::migration
