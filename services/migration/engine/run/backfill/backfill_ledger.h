// What the ledger keeps of backfills: their state, and for each range of keys how far it is done.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/backfill/backfill_table.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// A part of the table that one worker at a time walks from its start to its end.
struct Chunk {
  int number = 0;
  KeyRange range;
  std::optional<KeyValues> next;  // first key that is not done; nullopt: all are
};

struct BackfillRecord {
  std::string checksum;    // of the step that began it
  std::string undo_sql;    // takes away what it made beside rows: the trigger
  bool is_frozen = false;  // its ranges are recorded
  std::int64_t rows_estimated = 0;
  std::int64_t rows_walked = 0;
  int batch_rows = 0;
};

// nullopt: it never began.
absl::StatusOr<std::optional<BackfillRecord>> LoadBackfillRecord(pg::Connection& connection,
                                                                 const std::string& revision,
                                                                 int ordinal);
// Those that are not done, in order.
absl::StatusOr<std::vector<Chunk>> LoadOpenChunks(pg::Connection& connection,
                                                  const std::string& revision, int ordinal);
// All of them, done or not, in order.
absl::StatusOr<std::vector<Chunk>> LoadChunks(pg::Connection& connection,
                                              const std::string& revision, int ordinal);

// "INSERT INTO migration.backfills ...;\n": it begins.
std::string BeginBackfillSql(const RunSession& session, const StepTask& task,
                             std::int64_t rows_estimated);
// Its ranges; from here on they do not change.
std::string FreezeSql(const StepTask& task, const std::vector<KeyRange>& ranges);
// One batch is done. Affects one row, none when another process moved the chunk on.
std::string MoveOnSql(const StepTask& task, const Chunk& chunk, const NextBatch& batch,
                      std::int64_t rows_changed);
// A range begins anew.
std::string WalkAgainSql(const StepTask& task, const Chunk& chunk);
// This run goes on with it.
std::string TakeUpSql(const RunSession& session, const StepTask& task);
// It is done; it never was.
std::string FinishBackfillSql(const StepTask& task);
std::string ForgetBackfillSql(const std::string& revision, int ordinal);

// How a backfill stands, for people who watch it from elsewhere.
struct BackfillState {
  std::string state;   // running, paused, held, verifying
  std::string reason;  // why it does not move, "" when it does
  int batch_rows = 0;
  std::int64_t rows_per_second = 0;
  std::optional<std::int64_t> seconds_left;
  std::map<std::string, std::int64_t> held_ms;  // by reason, in this run
};
std::string StateSql(const StepTask& task, const BackfillState& state);

// What somebody asks of a run while it works.
struct RunControl {
  std::string wish;         // run, pause, cancel
  int rows_per_second = 0;  // 0 = as fast as it may
};
absl::StatusOr<RunControl> LoadControl(pg::Connection& connection, const std::string& run_id);

}  // namespace lockstep::migration
