// The logs of runs, as their watchers follow them.
//
// One thread reads the ledger for all watchers of all runs: right after this process's own run
// reports something, and every `poll_interval` besides, because an event is reported a moment
// before the ledger has it, and runs of other processes (`lockstep --direct`) report nothing here.
// What it read last is kept in memory, so 200 watchers of a run cost one reader; a watcher that is
// further behind reads the ledger itself. The ledger decides: nothing is shown that is not in it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "services/migration/server/engines.h"

namespace lockstep::migration {

// Thread-safe.
class RunFeed final {
 public:
  explicit RunFeed(Engines& engines, absl::Duration poll_interval = absl::Milliseconds(200));
  // REQUIRES: no watcher is left.
  ~RunFeed();
  RunFeed(const RunFeed&) = delete;
  RunFeed& operator=(const RunFeed&) = delete;

  struct Page {
    std::vector<RunEvent> events;  // in order, without a gap
    bool has_more = false;
    bool is_end = false;  // the run is over and these are its last events
  };

  // One watcher of one run.
  class Watcher {
   public:
    Watcher(RunFeed& feed, std::string run_id, std::uint64_t id)
        : feed_(feed), run_id_(std::move(run_id)), id_(id) {}
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // The events after offset `after` that are there.
    [[nodiscard]] absl::StatusOr<Page> Read(const Context& context, std::int64_t after) const;

   private:
    RunFeed& feed_;
    const std::string run_id_;
    const std::uint64_t id_;
  };
  // Calls `notify` when there may be something to read, until the watcher is destroyed, and perhaps
  // once more. `notify` must be quick and must not block. `run_id` is a whole UUID that the ledger
  // has.
  [[nodiscard]] std::unique_ptr<Watcher> Watch(const std::string& run_id,
                                               std::function<void()> notify);

  // Whether `run_id` is the whole id of a run that is followed already: it is in the ledger.
  [[nodiscard]] bool Follows(const std::string& run_id) const;

  // Something happened in a run of this process.
  void Wake();

 private:
  using Notify = std::shared_ptr<std::function<void()>>;  // shared with a round of notifications
  struct Log {
    std::map<std::uint64_t, Notify> watchers;
    bool is_read = false;  // what follows is filled
    bool is_over = false;
    std::int64_t complete_after = 0;  // `newest` has every event after this offset
    std::deque<RunEvent> newest;

    std::int64_t last_offset() const {
      return newest.empty() ? complete_after : newest.back().offset;
    }
  };

  void Poll();
  void ReadAll();
  absl::Status ReadNew(const std::string& run_id);

  Engines& engines_;
  const absl::Duration poll_interval_;
  const Context until_stopped_ = Context::WithDeadline(absl::InfiniteFuture());
  mutable absl::Mutex mu_;
  std::map<std::string, Log> logs_ ABSL_GUARDED_BY(mu_);  // of the runs that are watched
  std::uint64_t next_watcher_ ABSL_GUARDED_BY(mu_) = 1;
  bool is_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool is_failing_ = false;  // the last read failed; used by the thread only
  std::thread thread_;
};

}  // namespace lockstep::migration
