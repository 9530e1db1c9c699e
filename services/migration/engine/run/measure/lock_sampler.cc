#include "services/migration/engine/run/measure/lock_sampler.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// Also what it waits for.
constexpr char kOfSession[] =
    "SELECT l.relation::bigint AS oid, l.mode AS mode FROM pg_catalog.pg_locks AS l"
    " WHERE l.locktype = 'relation' AND l.pid = $1"
    "   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d"
    "                      WHERE d.datname = pg_catalog.current_database())";

constexpr absl::Duration kPause = absl::Milliseconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<LockSampler>> LockSampler::Start(
    std::unique_ptr<pg::Connection> connection, int backend_pid) {
  ASSIGN_OR_RETURN(KnownRelations before, ReadRelations(*connection));
  return std::unique_ptr<LockSampler>(
      new LockSampler(std::move(connection), std::move(before), backend_pid));
}

LockSampler::LockSampler(std::unique_ptr<pg::Connection> connection, KnownRelations before,
                         int backend_pid)
    : connection_(std::move(connection)),
      before_(std::move(before)),
      backend_pid_(backend_pid),
      began_(absl::Now()),
      thread_([this] { Look(); }) {}

LockSampler::~LockSampler() {
  is_over_ = true;
  if (thread_.joinable()) thread_.join();
}

void LockSampler::Look() {
  while (!is_over_) {
    const auto rows = connection_->Query(kOfSession, static_cast<std::int64_t>(backend_pid_));
    {
      const absl::MutexLock lock(&mutex_);
      if (!rows.ok()) {
        failure_ = rows.status();
        return;
      }
      for (const pg::Row row : *rows) {
        const std::optional<LockMode> mode = ModeOfPgLocks(row.Text("mode"));
        if (!mode.has_value()) continue;
        LockMode& most = seen_.try_emplace(row.Get<std::int64_t>("oid"), *mode).first->second;
        most = std::max(most, *mode);
      }
    }
    absl::SleepFor(kPause);
  }
}

HeldModes LockSampler::seen() const {
  const absl::MutexLock lock(&mutex_);
  return seen_;
}

std::vector<RelationCost> LockSampler::LocksSoFar() const {
  return CostsOf(before_, before_, seen());
}

absl::StatusOr<Measurement> LockSampler::Stop() {
  Measurement measurement;
  measurement.took = absl::Now() - began_;
  is_over_ = true;
  if (thread_.joinable()) thread_.join();
  {
    const absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(failure_);
  }
  ASSIGN_OR_RETURN(const KnownRelations after, ReadRelations(*connection_));
  measurement.relations = CostsOf(before_, after, seen());
  return measurement;
}

}  // namespace lockstep::migration
