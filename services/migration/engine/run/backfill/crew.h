// The workers of a backfill and the one who watches over them: signals, wishes of people, progress.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/migration/engine/run/backfill/backfill_ledger.h"
#include "services/migration/engine/run/backfill/hold_monitor.h"
#include "services/migration/engine/run/backfill/pacer.h"
#include "services/migration/engine/run/backfill/worker.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Used by the run's thread, on the runner's main connection.
class Crew {
 public:
  // `chunks` is not empty.
  Crew(RunSession& session, const StepTask& task, const BackfillTable& table,
       const BackfillRecord& record, std::vector<Chunk> chunks);

  // Walks all chunks to their ends. CANCELLED when somebody asked for it, LEASE_LOST, or why a
  // batch cannot be done.
  absl::Status Work();

 private:
  struct Runner;  // a worker on its thread

  // Until every worker is done or something stops them.
  absl::Status Watch(std::vector<std::unique_ptr<Runner>>& runners);
  absl::Status Look(const std::vector<int>& pids);
  void FollowSignals(const std::vector<int>& pids);
  absl::Status FollowWishes();
  void TellChange(const std::string& state, const std::string& reason);
  absl::Status WriteState(const std::string& state, const std::string& reason);
  void TellProgress();
  BackfillState StateNow(const Pacer::Reading& reading) const;

  RunSession& session_;
  const StepTask& task_;
  const BackfillTable& table_;
  const BackfillRecord record_;
  const std::size_t workers_;
  HoldMonitor monitor_;
  Pacer pacer_;
  ChunkQueue queue_;
  std::string told_;  // state and reason that were told last
  absl::Time next_signals_;
  absl::Time next_write_;
  absl::Time next_progress_;
};

}  // namespace lockstep::migration
