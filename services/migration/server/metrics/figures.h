// What the ledger and the server say about migrations at one moment, for metrics: plain values
// between the reading (ReadFigures) and the rendering (FamiliesOf).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

// Inclusive upper bounds of the buckets of steps' durations, in milliseconds: from a catalog change
// to a night of backfilling.
inline constexpr std::array<std::int64_t, 12> kStepBoundsMs = {
    5, 10, 50, 100, 500, 1'000, 5'000, 10'000, 60'000, 600'000, 3'600'000, 21'600'000};

// Steps of one service in one direction that are in the ledger's log, undone ones included.
struct StepDurations {
  std::string service;
  std::string direction;  // up, down
  // One entry for each of kStepBoundsMs, and one for longer ones; not cumulative.
  std::array<std::uint64_t, kStepBoundsMs.size() + 1> buckets{};
  std::int64_t total_ms = 0;
};

// Waits for locks that are over, by the kind of the session that was named first.
struct LockWaits {
  std::int64_t waits = 0;
  double seconds = 0;
};

struct ServiceFigures {
  std::vector<std::string> heads;  // revisions that are applied completely and that none follows
  int pending = 0;                 // defined, not applied completely
  int partial = 0;                 // some steps are applied
  int unknown = 0;                 // in the ledger, not in the definitions
  int instances_live = 0;
  int instances_ready = 0;  // live, and what they require is applied
};

struct SlotFigures {
  std::string name;
  bool is_active = false;
  std::int64_t retained_bytes = 0;
};

struct WebhookFigures {
  std::int64_t delivered = 0;
  std::int64_t undeliverable = 0;
  std::int64_t failed_attempts = 0;
  int runs_behind = 0;  // their next event waits for another attempt
};

struct Figures {
  std::map<std::string, ServiceFigures> services;  // of the definitions
  std::string release;  // the newest that is applied completely; "" = none
  // Builds and sessions that keep the gate closed, by {service, revision}, for every pending
  // revision of phase CONTRACT.
  std::map<std::pair<std::string, std::string>, int> contract_blockers;

  // {kind, state}: waiting and running; "abandoned" is one whose process does not hold the lease
  // any more and that no other has marked as interrupted yet.
  std::map<std::pair<std::string, std::string>, std::int64_t> active_runs;
  std::map<std::pair<std::string, std::string>, std::int64_t> finished_runs;  // {kind, state}
  std::vector<StepDurations> steps;
  std::map<std::string, LockWaits> lock_waits;  // by kind of holder
  double lock_wait_seconds = 0;  // that the run at work has been waiting; 0 = it does not
  std::map<std::string, int> lock_blockers;  // whom it waits for, by kind
  std::vector<BackfillInfo> backfills;       // open, or finished less than a day ago
  LeaseInfo lease;
  absl::Time now;  // the database's clock
  std::vector<Freeze> open_freezes;

  // nullopt: this role may not see all sessions.
  std::optional<double> oldest_transaction_seconds;
  std::optional<std::int64_t> idle_in_transaction;
  double oldest_prepared_seconds = 0;
  std::int64_t prepared_transactions = 0;
  std::optional<double> replica_lag_seconds;  // 0 without standbys; nullopt: cannot be read
  std::vector<SlotFigures> slots;

  std::optional<WebhookFigures> webhook;  // nullopt: there never was one
};

// Reads everything in a few round trips. `connection` is one of the engine's that may be used for
// reading; its limits bound the time. Errors: those of CheckLedger and of the database.
[[nodiscard]] absl::StatusOr<Figures> ReadFigures(pg::Connection& connection, const Graph& graph);

}  // namespace lockstep::migration
