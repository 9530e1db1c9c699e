#include "services/migration/engine/run/measure/lock_sampler.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

// Also what it waits for, and other locks than those of relations: what it waits for may be a
// transaction. $2: the holder, 0 = none.
constexpr char kOfSession[] =
    "SELECT CASE WHEN l.locktype = 'relation' THEN l.relation::bigint END AS oid, l.mode AS mode,"
    "       $2::integer = ANY (pg_catalog.pg_blocking_pids($1)) AS is_held_up"
    "  FROM pg_catalog.pg_locks AS l WHERE l.pid = $1"
    "   AND (l.locktype <> 'relation'"
    "        OR l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d"
    "                          WHERE d.datname = pg_catalog.current_database()))";

constexpr absl::Duration kPause = absl::Milliseconds(1);
// What does not wait for the holder, or looks at who holds its tables before it asks for them, is
// not kept for longer.
constexpr absl::Duration kHoldAtMost = absl::Seconds(1);

// An old snapshot, and a lock on every table that conflicts with nothing but ACCESS EXCLUSIVE.
absl::Status StandInTheWay(pg::Connection& holder, const KnownRelations& relations) {
  std::string tables;
  for (const auto& [oid, relation] : relations) {
    if (relation.kind != 'r' && relation.kind != 'p') continue;
    const std::size_t dot = relation.name.find('.');
    tables += (tables.empty() ? "" : ", ") + pg::QuoteIdentifier(relation.name.substr(0, dot)) +
              "." + pg::QuoteIdentifier(relation.name.substr(dot + 1));
  }
  std::string sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;";
  if (!tables.empty()) sql += "LOCK TABLE " + tables + " IN ACCESS SHARE MODE;";
  return holder.Script(sql + "SELECT count(*) FROM pg_catalog.pg_database;").status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LockSampler>> LockSampler::Start(
    std::unique_ptr<pg::Connection> connection, int backend_pid,
    std::unique_ptr<pg::Connection> holder) {
  ASSIGN_OR_RETURN(KnownRelations before, ReadRelations(*connection));
  if (holder != nullptr) RETURN_IF_ERROR(StandInTheWay(*holder, before));
  return std::unique_ptr<LockSampler>(
      new LockSampler(std::move(connection), std::move(before), backend_pid, std::move(holder)));
}

LockSampler::LockSampler(std::unique_ptr<pg::Connection> connection, KnownRelations before,
                         int backend_pid, std::unique_ptr<pg::Connection> holder)
    : connection_(std::move(connection)),
      before_(std::move(before)),
      backend_pid_(backend_pid),
      holder_(std::move(holder)),
      began_(absl::Now()),
      thread_([this] { Look(); }) {}

LockSampler::~LockSampler() {
  is_over_ = true;
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<bool> LockSampler::LookOnce() {
  const std::int64_t holder = holder_ == nullptr ? 0 : holder_->backend_pid();
  ASSIGN_OR_RETURN(const pg::Result rows,
                   connection_->Query(kOfSession, static_cast<std::int64_t>(backend_pid_), holder));
  bool is_held_up = false;
  const absl::MutexLock lock(&mutex_);
  for (const pg::Row row : rows) {
    is_held_up = is_held_up || row.Get<bool>("is_held_up");
    const auto oid = row.Optional<std::int64_t>("oid");
    const std::optional<LockMode> mode = ModeOfPgLocks(row.Text("mode"));
    if (!oid.has_value() || !mode.has_value()) continue;
    LockMode& most = seen_.try_emplace(*oid, *mode).first->second;
    most = std::max(most, *mode);
  }
  return is_held_up;
}

void LockSampler::Look() {
  int looks_held_up = 0;
  while (!is_over_) {
    const absl::StatusOr<bool> is_held_up = LookOnce();
    if (!is_held_up.ok()) {
      const absl::MutexLock lock(&mutex_);
      failure_ = is_held_up.status();
      break;
    }
    ++looks_;
    if (*is_held_up) ++looks_held_up;
    // The second look sees all that it had when it began to wait.
    if (looks_held_up > 1 || absl::Now() - began_ > kHoldAtMost) holder_.reset();
    absl::SleepFor(kPause);
  }
  holder_.reset();
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
