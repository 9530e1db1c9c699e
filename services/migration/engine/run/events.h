// What a run tells about itself while it works: the same events that the ledger keeps as its log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace lockstep::migration {

// One line of a run's log. Offsets of a run start at 1 and have no gaps, unless the outcome of a
// commit stayed unknown.
struct RunEvent {
  std::string run_id;
  std::int64_t offset = 0;
  absl::Time at;
  // run_started, run_finished, waiting_for_lease, lease_taken_over, step_started, step_finished,
  // step_failed, step_blocked, step_unblocked, step_retried, blocker_cancelled, revision_finished,
  // expectation, privileged_sql, freeze_forced, gate_waiting, gate_opened,
  // gate_forced, soak_started, soak_restarted, soak_ended, index_resumed, leftover_cleared,
  // archived, archive_purged, archive_restored, guard_rehearsed, guard_silent, verification,
  // verification_skipped, run_paused, run_resumed, backfill_started, backfill_progress,
  // backfill_held, backfill_paused, backfill_resumed, backfill_restarted, backfill_verified,
  // build_progress, build_stalled, partition_indexed, spacing,
  // view_rows, view_compared, view_made_again, restore_point, backup_finished, database_restored,
  // warning, predecessor_interrupted, predecessor_unverified; recovered, in the log of a run that
  // ended before it verified what it had done, by the run that did so instead.
  std::string kind;
  std::string revision;   // "" when the event is about the whole run
  int step = 0;           // ordinal, 0 when the event is not about one step
  std::string step_name;  // "" likewise
  std::string message;    // one readable line
  std::string details;  // a JSON object with the same facts for programs; "{}" when there are none
};

// Receives events in order, one at a time, though not always on the same thread. An event may be
// seen here shortly before it is in the ledger; its offset is the same there.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnEvent(const RunEvent& event) = 0;
};

// For callers that only want the outcome.
class NullEventSink final : public EventSink {
 public:
  void OnEvent(const RunEvent&) override {}
};

}  // namespace lockstep::migration
