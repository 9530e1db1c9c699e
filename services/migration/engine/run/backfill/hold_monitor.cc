#include "services/migration/engine/run/backfill/hold_monitor.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "services/migration/engine/backfill.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kProbes = 5;
constexpr double kMegabyte = 1'000'000;

// A standby whose state this role may not see has an unknown lag, and so has one that is not
// streaming. The time that replay takes is empty once a standby has caught up and nothing happens.
constexpr char kSignals[] = R"sql(
SELECT (SELECT CASE WHEN bool_or(r.state IS NULL) THEN NULL
                    ELSE coalesce(max(extract(epoch FROM r.replay_lag)), 0) END
          FROM pg_stat_replication AS r)::text AS replica_lag_seconds,
       (pg_current_wal_lsn() - '0/0')::text AS wal_bytes,
       (SELECT count(DISTINCT l.pid) FROM pg_locks AS l
         WHERE NOT l.granted AND pg_blocking_pids(l.pid) && $1::integer[]
           AND l.pid <> ALL ($1::integer[]))::text AS lock_waiters,
       (SELECT sum(pg_stat_get_dead_tuples(t.oid))
                 / greatest(sum(pg_stat_get_live_tuples(t.oid)), sum(greatest(c.reltuples, 0)),
                            10000) * 100
          FROM (SELECT $2::oid AS oid UNION SELECT p.relid
                  FROM pg_partition_tree($2::oid::regclass) AS p) AS t
          JOIN pg_class AS c ON c.oid = t.oid AND c.relkind = 'r')::text AS dead_rows_percent,
       (SELECT age(d.datfrozenxid) / 1000000.0 FROM pg_database AS d
         WHERE d.datname = current_database())::text AS transaction_age_millions
)sql";

std::optional<double> Number(const std::optional<std::string>& text) {
  if (!text.has_value()) return std::nullopt;
  return std::strtod(text->c_str(), nullptr);
}

}  // namespace

std::string WhyHold(const Signals& signals, const HoldLimits& limits) {
  struct Signal {
    const char* name;
    const std::optional<double>& value;
    int limit;
    const char* unit;
  };
  const Signal all[] = {
      {"replica_lag", signals.replica_lag_seconds, limits.replica_lag_seconds, " s"},
      {"wal_rate", signals.wal_mb_per_second, limits.wal_mb_per_second, " MB/s"},
      {"lock_waiters", signals.lock_waiters, limits.lock_waiters, " sessions"},
      {"probe", signals.probe_ms, limits.probe_ms, " ms"},
      {"dead_rows", signals.dead_rows_percent, limits.dead_rows_percent, " %"},
      {"transaction_age", signals.transaction_age_millions, limits.transaction_age_millions,
       " millions"},
  };
  for (const Signal& signal : all) {
    if (signal.limit < 0) continue;
    if (!signal.value.has_value()) return absl::StrCat(signal.name, ": cannot be read");
    if (*signal.value > signal.limit) {
      return absl::StrFormat("%s: %.0f%s, at most %d%s", signal.name, *signal.value, signal.unit,
                             signal.limit, signal.unit);
    }
  }
  return "";
}

HoldMonitor::HoldMonitor(pg::Connection& connection, const BackfillTable& table,
                         KeyValues probe_key)
    : connection_(connection),
      table_(table),
      probe_sql_(absl::StrCat("SELECT FROM ", QuotedTableName(table.backfill->table), " WHERE ",
                              KeyExpression(table.backfill->key), " = ",
                              KeyLiteral(table, probe_key))) {}

Signals HoldMonitor::Read(const std::vector<int>& workers) {
  Signals signals;
  const auto rows =
      connection_.Query(kSignals, "{" + absl::StrJoin(workers, ",") + "}", table_.oid);
  if (!rows.ok()) return signals;
  const pg::Row row = (*rows)[0];
  signals.replica_lag_seconds = Number(row.OptionalText("replica_lag_seconds"));
  signals.lock_waiters = Number(row.OptionalText("lock_waiters"));
  signals.dead_rows_percent = Number(row.OptionalText("dead_rows_percent"));
  signals.transaction_age_millions = Number(row.OptionalText("transaction_age_millions"));
  const absl::Time now = absl::Now();
  if (const auto bytes = Number(row.OptionalText("wal_bytes")); bytes.has_value()) {
    // The first reading has nothing to compare with.
    signals.wal_mb_per_second = wal_bytes_.has_value()
                                    ? (*bytes - *wal_bytes_) / kMegabyte /
                                          std::max(absl::ToDoubleSeconds(now - wal_read_at_), 0.001)
                                    : 0;
    wal_bytes_ = bytes;
    wal_read_at_ = now;
  }
  ReadProbe(signals);
  return signals;
}

void HoldMonitor::ReadProbe(Signals& signals) {
  const absl::Time start = absl::Now();
  if (!connection_.Query(probe_sql_).ok()) return;
  probes_.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
  if (probes_.size() > kProbes) probes_.pop_front();
  std::vector<double> sorted(probes_.begin(), probes_.end());
  std::sort(sorted.begin(), sorted.end());
  signals.probe_ms = sorted[sorted.size() / 2];
}

}  // namespace lockstep::migration
