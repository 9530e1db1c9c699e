// The log of one run, on its way to the ledger.
//
// Events get their offset when they happen, go to the sink at once, and wait here until a
// transaction takes them along. A step's closing events belong into the step's own transaction, so
// their offsets are only promised while that is in the air (`Tail`); what another thread reports in
// that time is queued behind them. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json_object.h"
#include "services/migration/engine/run/events.h"

namespace lockstep::migration {

// An event before it has a place in the log.
struct Happening {
  std::string kind;
  std::string message;
  std::string revision = {};
  int step = 0;
  std::string step_name = {};
  JsonObject details = {};
};

class Journal {
 public:
  // `last_offset` is that of the newest event that the ledger has of this run.
  Journal(std::string run_id, std::int64_t last_offset, EventSink& sink);

  const std::string& run_id() const { return run_id_; }

  void Emit(Happening happening);

  // "SELECT migration.record_events(...)" for everything that is not in the ledger yet, plus
  // `tail`, which happens if the transaction commits; "" when there is nothing. Follow it by
  // Committed() or RolledBack().
  std::string RecordSql(std::vector<Happening> tail = {});
  // The same as the argument of record_events(), "[]" when there is nothing.
  std::string RecordJson(std::vector<Happening> tail);
  // The transaction of the last RecordSql committed: its tail goes to the sink.
  void Committed();
  // It did not: its tail never happened.
  void RolledBack();
  // Nobody can tell. The offsets of its tail are not given to anything else: if it did commit, the
  // ledger would take what comes for what it has.
  void OutcomeUnknown();
  // Offset of the first event of the tail in the air; 0 without one. When the ledger has an event
  // with it, the transaction committed.
  std::int64_t tail_offset();

  // For a second connection: the SQL for the numbered events, without a tail. Committing it again
  // is harmless.
  std::string PendingSql(std::int64_t& up_to);
  // Everything up to this offset is in the ledger.
  void Stored(std::int64_t up_to);

 private:
  void EmitLocked(Happening happening);
  RunEvent Number(Happening happening, std::int64_t offset) const;
  std::string JsonOf(const std::vector<RunEvent>& pending,
                     const std::vector<Happening>& tail) const;
  std::string SqlOf(const std::vector<RunEvent>& pending, const std::vector<Happening>& tail) const;

  const std::string run_id_;
  EventSink& sink_;
  std::mutex mutex_;
  std::int64_t next_offset_;
  std::vector<RunEvent> pending_;  // numbered, shown, not known to be in the ledger
  std::vector<Happening> tail_;    // promised to the transaction in the air
  std::vector<Happening> queued_;  // came while the tail was in the air
  std::int64_t in_air_up_to_ = 0;  // pending events up to here travel with it
  bool is_in_air_ = false;
};

}  // namespace lockstep::migration
