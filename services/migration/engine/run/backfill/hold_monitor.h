// The signals that tell a backfill to hold itself back.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/backfill/backfill_table.h"

namespace lockstep::migration {

// One reading; nullopt = could not be read.
struct Signals {
  std::optional<double> replica_lag_seconds;  // 0 without standbys
  std::optional<double> wal_mb_per_second;
  std::optional<double> lock_waiters;
  std::optional<double> probe_ms;
  std::optional<double> dead_rows_percent;
  std::optional<double> transaction_age_millions;
};

// The first signal above its limit, as "replica_lag: 14 s, at most 10 s", or that cannot be read,
// as "replica_lag: cannot be read"; "" when the backfill may go on. Pure.
std::string WhyHold(const Signals& signals, const HoldLimits& limits);

// Reads the signals. Used by one thread.
class HoldMonitor {
 public:
  HoldMonitor(pg::Connection& connection, const BackfillTable& table, KeyValues probe_key);

  // `workers`: backends whose locks count. A reading that fails leaves its signals empty.
  Signals Read(const std::vector<int>& workers);

 private:
  void ReadProbe(Signals& signals);

  pg::Connection& connection_;
  const BackfillTable& table_;
  const std::string probe_sql_;
  std::deque<double> probes_;  // milliseconds, the last five
  std::optional<double> wal_bytes_;
  absl::Time wal_read_at_;
};

}  // namespace lockstep::migration
