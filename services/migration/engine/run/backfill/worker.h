// One worker of a backfill: batches of one range after the other, each in one transaction together
// with its progress.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/backfill/backfill_ledger.h"
#include "services/migration/engine/run/backfill/pacer.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// The ranges that nobody works on yet. Thread-safe.
class ChunkQueue {
 public:
  explicit ChunkQueue(std::vector<Chunk> chunks)
      : chunks_(std::make_move_iterator(chunks.begin()), std::make_move_iterator(chunks.end())) {}
  std::optional<Chunk> Take();

 private:
  std::mutex mutex_;
  std::deque<Chunk> chunks_;
};

class Worker {
 public:
  // Everything must outlive the worker.
  Worker(const RunSession& session, const StepTask& task, const BackfillTable& table, Pacer& pacer,
         ChunkQueue& queue)
      : session_(session), task_(task), table_(table), pacer_(pacer), queue_(queue) {}

  // Works until no range is left, or until it fails or the pacer stops it. On its own thread.
  absl::Status Run();

  // The rest is for other threads while Run() is under way.
  // 0 = no connection now.
  int backend_pid() const { return pid_.load(); }
  // Ends the running statement.
  void Cancel();

 private:
  absl::Status Connect();
  absl::Status WalkChunk(Chunk chunk);
  // One batch: OK and moved on, or why not.
  absl::Status RunBatch(Chunk& chunk, int rows);
  absl::StatusOr<NextBatch> Begin(const Chunk& chunk, int rows);
  absl::StatusOr<std::int64_t> Change(const NextBatch& batch);
  absl::Status MoveOn(Chunk& chunk, const NextBatch& batch, std::int64_t changed);
  // What a failed batch means: OK = try again.
  absl::Status Judge(const absl::Status& failure, Chunk& chunk);
  absl::Status ReloadChunk(Chunk& chunk);

  const RunSession& session_;
  const StepTask& task_;
  const BackfillTable& table_;
  Pacer& pacer_;
  ChunkQueue& queue_;
  std::mutex mutex_;  // guards connection_ against Cancel()
  std::unique_ptr<pg::Connection> connection_;
  std::atomic<int> pid_ = 0;
  std::optional<absl::Time> failing_since_;  // nullopt: the last batch went well
  int failures_ = 0;                         // in a row
};

}  // namespace lockstep::migration
