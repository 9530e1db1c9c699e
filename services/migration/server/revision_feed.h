// Whether revisions are applied, as their watchers follow it.
//
// One thread reads the ledger for all watchers, with one look for all revisions that are watched:
// right after a run of this process reports something, and every so often besides, since an event
// is reported a moment before the ledger has it, and runs of other processes (`lockstep --direct`)
// report nothing here. So two hundred watchers cost one reader and no thread of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "services/migration/server/engines.h"

namespace lockstep::migration {

struct RevisionFeedOptions {
  // Between looks at the ledger while somebody waits for a revision that is not applied, and while
  // all are: an undo by another process is no news that anybody is in a hurry for.
  absl::Duration waiting_interval = absl::Milliseconds(200);
  absl::Duration settled_interval = absl::Seconds(1);
};

// Thread-safe.
class RevisionFeed final {
 public:
  explicit RevisionFeed(Engines& engines, RevisionFeedOptions options = {});
  // REQUIRES: no watcher is left.
  ~RevisionFeed();
  RevisionFeed(const RevisionFeed&) = delete;
  RevisionFeed& operator=(const RevisionFeed&) = delete;

  // Must not outlive the feed.
  class Watcher final {
   public:
    Watcher(RevisionFeed& feed, WantedRevision wanted, std::uint64_t id, bool is_applied,
            std::uint64_t first_round)
        : feed_(feed),
          wanted_(std::move(wanted)),
          id_(id),
          was_applied_(is_applied),
          first_round_(first_round) {}
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Whether the revision is applied, by the last look at the ledger. From memory.
    [[nodiscard]] bool IsApplied() const;

   private:
    RevisionFeed& feed_;
    const WantedRevision wanted_;
    const std::uint64_t id_;
    const bool was_applied_;           // when the watcher came
    const std::uint64_t first_round_;  // the first look that is newer than that
  };
  // Calls `notify` when IsApplied() may answer differently, until the watcher is destroyed, and
  // perhaps once more. `notify` must be quick and must not block. `is_applied` is what the caller
  // has just found (Engine::IsApplied), which also said that `wanted` names something.
  [[nodiscard]] std::unique_ptr<Watcher> Watch(WantedRevision wanted, bool is_applied,
                                               std::function<void()> notify);

  // Something happened in a run of this process.
  void Wake();

 private:
  using Notify = std::shared_ptr<std::function<void()>>;  // shared with a round of notifications
  struct State {
    std::map<std::uint64_t, Notify> watchers;
    bool is_applied = false;
    std::uint64_t round = 0;           // in which is_applied was read; 0 = not yet
    std::uint64_t newcomer_round = 0;  // the first one that its last watcher learns from
  };

  void Poll();
  absl::Status ReadAll();
  // Until the next look; never when nobody watches.
  absl::Duration Pause() const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  Engines& engines_;
  const RevisionFeedOptions options_;
  const Context until_stopped_ = Context::WithDeadline(absl::InfiniteFuture());
  mutable absl::Mutex mu_;
  std::map<WantedRevision, State> states_ ABSL_GUARDED_BY(mu_);  // of what is watched
  std::uint64_t next_watcher_ ABSL_GUARDED_BY(mu_) = 1;
  std::uint64_t round_ ABSL_GUARDED_BY(mu_) = 0;  // looks at the ledger that have begun
  bool is_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool is_failing_ = false;  // the last look failed; used by the thread only
  std::thread thread_;
};

}  // namespace lockstep::migration
