// What goes on beside the runner's main connection: renewing the lease, watching who blocks the
// running statement and how far a build has come, keeping the log current, and stopping the
// statement when the lease or the caller is gone, or when others queue behind it.
//
// One thread and, from the moment it is needed, one recorded connection.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/build_progress.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/journal.h"
#include "services/migration/engine/run/lock_holders.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {

class Attendant {
 public:
  // `main` must outlive the attendant.
  Attendant(const Context& context, const EngineOptions& options, LeaseKey key,
            pg::Connection& main, Journal& journal);
  // Stops and joins.
  ~Attendant();
  Attendant(const Attendant&) = delete;
  Attendant& operator=(const Attendant&) = delete;

  // Around everything that may wait for a lock. `label` names it in events. `watched` is the
  // connection that waits, the runner's main one unless it is given. When others have queued behind
  // the waiting statement for `grace`, it is cancelled (57014) and has_yielded() says so.
  class Watch {
   public:
    Watch(Attendant& attendant, Happening label, pg::Connection* watched = nullptr,
          absl::Duration grace = absl::InfiniteDuration());
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    Attendant& attendant_;
  };

  // Who blocked the statement that was watched last; empty when nobody was seen.
  std::vector<LockHolder> last_holders() const;
  // Whether the statement that was watched last was cancelled because others queued behind it.
  bool has_yielded() const;
  bool is_lease_lost() const { return is_lease_lost_.load(); }
  // What somebody asks of the run through the ledger (`lockstep pause`, `lockstep cancel`). Known a
  // second later at the latest.
  bool is_paused() const { return is_paused_.load(); }
  bool is_cancelled() const { return is_cancelled_.load(); }

 private:
  void Loop();
  void Tick();
  // False when the connection cannot be had now.
  bool Connected();
  void Renew();
  void ReadWishes();
  // The statement that is watched now.
  struct Subject {
    int number = 0;  // of the watch; 0 = none
    int pid = 0;
    absl::Duration grace;
    absl::Duration runs_for;
  };
  Subject LookedAt() const;
  void Look();
  // False when it does not wait for a lock now, or nobody can say.
  bool Waits(int pid);
  void TellHolders(const Subject& subject, const std::vector<LockHolder>& holders);
  // Tells how far the watched statement has come when it builds an index, and that it does not move
  // any more. Never ends anybody.
  void LookAtBuild(const Subject& subject);
  void TellStall(const Subject& subject, const BuildProgress& progress);
  // The event of the watched statement, without kind and message; nullopt: another one runs now.
  std::optional<Happening> LabelOf(const Subject& subject) const;
  void StoreEvents();
  void StopStatement();
  void Yield(const Subject& subject);

  const Context context_;
  const EngineOptions& options_;
  const LeaseKey key_;
  pg::Connection& main_;
  Journal& journal_;
  std::unique_ptr<pg::Connection> connection_;

  // Held while a statement is being stopped, so that its connection outlives that. Before mutex_.
  std::mutex stopping_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool is_stopping_ = false;
  bool is_watching_ = false;
  bool was_stopped_ = false;  // the running statement was cancelled once
  bool has_yielded_ = false;
  int watch_number_ = 0;  // of the newest watch
  absl::Duration grace_ = absl::InfiniteDuration();
  pg::Connection* watched_ = nullptr;
  absl::Time watch_started_;
  Happening label_;
  std::vector<LockHolder> holders_;
  std::string reported_;  // the holders that were told last, as text
  std::atomic<bool> is_lease_lost_ = false;
  std::atomic<bool> is_paused_ = false;
  std::atomic<bool> is_cancelled_ = false;
  absl::Time next_wishes_;
  absl::Time last_renewal_;  // by our own clock, for the decision to stop
  absl::Time next_renewal_;
  absl::Time next_store_;
  // Of the attendant's own thread: the build of watch number build_number_.
  BuildWatch build_;
  int build_number_ = 0;
  absl::Time next_build_look_ = absl::InfinitePast();
  Context::Registration on_cancel_;
  std::thread thread_;
};

}  // namespace lockstep::migration
