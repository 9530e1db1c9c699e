#include "services/migration/engine/run/attendant.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/backfill/backfill_ledger.h"
#include "services/migration/engine/run/lease.h"

namespace lockstep::migration {
namespace {

// A statement that runs longer than this is looked at.
constexpr absl::Duration kFirstLook = absl::Milliseconds(150);
constexpr absl::Duration kNextLook = absl::Milliseconds(250);
constexpr absl::Duration kBetweenWishes = absl::Seconds(1);

absl::StatusOr<std::vector<LockHolder>> HoldersOf(pg::Connection& connection, int pid) {
  ASSIGN_OR_RETURN(
      pg::Result result,
      connection.Query("SELECT b.pid, coalesce(a.usename::text, '') AS usename,"
                       "       coalesce(a.application_name, '') AS application_name, "
                       "coalesce(a.state, '') AS state,"
                       "       coalesce(left(a.query, 500), '') AS query,"
                       "       coalesce(extract(epoch FROM clock_timestamp() - "
                       "coalesce(a.xact_start, a.backend_start)), 0)::bigint"
                       "         AS age"
                       "  FROM (SELECT DISTINCT unnest(pg_blocking_pids($1)) AS pid) AS b"
                       "  LEFT JOIN pg_stat_activity AS a ON a.pid = b.pid ORDER BY b.pid",
                       pid));
  std::vector<LockHolder> holders;
  for (const pg::Row row : result) {
    holders.push_back({.pid = row.Get<std::int32_t>("pid"),
                       .user = row.Text("usename"),
                       .application = row.Text("application_name"),
                       .state = row.Text("state"),
                       .query = row.Text("query"),
                       .age_seconds = row.Get<std::int64_t>("age")});
  }
  return holders;
}

}  // namespace

std::string LockHolder::text() const {
  return absl::StrFormat("pid %d (%s, %s, %s for %d s): %s", pid, user, application, state,
                         age_seconds, query);
}

Attendant::Attendant(const Context& context, const EngineOptions& options, LeaseKey key,
                     pg::Connection& main, Journal& journal)
    : context_(context),
      options_(options),
      key_(std::move(key)),
      main_(main),
      journal_(journal),
      next_wishes_(absl::Now() + kBetweenWishes),
      last_renewal_(absl::Now()),
      next_renewal_(last_renewal_ + options.lease_ttl / 3) {
  on_cancel_ = context_.OnCancel([this] {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  });
  thread_ = std::thread([this] { Loop(); });
}

Attendant::~Attendant() {
  on_cancel_ = {};
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

Attendant::Watch::Watch(Attendant& attendant, Happening label, pg::Connection* watched)
    : attendant_(attendant) {
  const std::lock_guard lock(attendant_.mutex_);
  attendant_.is_watching_ = true;
  attendant_.watched_ = watched == nullptr ? &attendant_.main_ : watched;
  attendant_.was_stopped_ = false;
  attendant_.watch_started_ = absl::Now();
  attendant_.label_ = std::move(label);
  attendant_.holders_.clear();
  attendant_.reported_.clear();
  // The thread need not wake for this: it sleeps at most kFirstLook.
}

Attendant::Watch::~Watch() {
  const std::lock_guard stopping(attendant_.stopping_);
  const std::lock_guard lock(attendant_.mutex_);
  attendant_.is_watching_ = false;
}

std::vector<LockHolder> Attendant::last_holders() const {
  const std::lock_guard lock(mutex_);
  return holders_;
}

void Attendant::Loop() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    const absl::Duration pause =
        is_watching_ && absl::Now() - watch_started_ > kFirstLook ? kNextLook : kFirstLook;
    wake_.wait_for(lock, absl::ToChronoMilliseconds(pause));
    if (is_stopping_) return;
    lock.unlock();
    Tick();
    lock.lock();
  }
}

void Attendant::Tick() {
  if (absl::Now() >= next_renewal_) Renew();
  if (absl::Now() >= next_wishes_) ReadWishes();
  bool has_waited = false;
  {
    const std::lock_guard lock(mutex_);
    has_waited = is_watching_ && absl::Now() - watch_started_ >= kFirstLook;
  }
  if (!has_waited) return;
  if (is_lease_lost_ || is_cancelled_ || !context_.Check().ok()) {
    StopStatement();
    return;
  }
  LookForHolders();
}

bool Attendant::Connected() {
  if (connection_ != nullptr && !connection_->is_lost()) return true;
  connection_.reset();
  auto opened = OpenRunnerSession(options_, key_, "attendant");
  if (!opened.ok()) {
    if (ReasonOf(opened.status()) == "LEASE_LOST") is_lease_lost_ = true;
    return false;
  }
  connection_ = *std::move(opened);
  return true;
}

void Attendant::Renew() {
  const absl::Time asked = absl::Now();
  bool is_renewed = false;
  if (Connected()) {
    connection_->SetIoDeadline(asked + options_.lease_ttl / 3);
    const auto renewed = RenewLease(*connection_, key_, options_.lease_ttl);
    connection_->SetIoDeadline(absl::InfiniteFuture());
    if (renewed.ok()) {
      is_renewed = *renewed;
      if (!is_renewed) is_lease_lost_ = true;
    }
  }
  if (is_renewed) {
    last_renewal_ = asked;
    next_renewal_ = asked + options_.lease_ttl / 3;
    return;
  }
  // Cannot reach the database: stop before the lease ends there.
  next_renewal_ = absl::Now() + options_.lease_ttl / 12;
  if (absl::Now() - last_renewal_ >= options_.lease_ttl) is_lease_lost_ = true;
}

void Attendant::ReadWishes() {
  next_wishes_ = absl::Now() + kBetweenWishes;
  if (!Connected()) return;
  connection_->SetIoDeadline(absl::Now() + options_.lease_ttl / 3);
  const auto control = LoadControl(*connection_, journal_.run_id());
  connection_->SetIoDeadline(absl::InfiniteFuture());
  if (!control.ok()) return;
  is_paused_ = control->wish == "pause";
  if (control->wish == "cancel") is_cancelled_ = true;
}

void Attendant::LookForHolders() {
  if (!Connected()) return;
  int pid = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!is_watching_) return;
    pid = watched_->backend_pid();
  }
  auto holders = HoldersOf(*connection_, pid);
  if (!holders.ok()) return;
  Happening blocked;
  bool is_news = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_watching_ && !holders->empty()) {
      std::string pids;
      for (const LockHolder& holder : *holders) pids += std::to_string(holder.pid) + " ";
      holders_ = *holders;
      if (pids != reported_) {
        reported_ = pids;
        blocked = label_;
        is_news = true;
      }
    }
  }
  if (is_news) {
    blocked.kind = "step_blocked";
    blocked.message = "waits for a lock held by " + holders->front().text();
    blocked.details = {{"holders", nlohmann::json::array()}};
    for (const LockHolder& holder : *holders) {
      blocked.details["holders"].push_back({{"pid", holder.pid},
                                            {"user", holder.user},
                                            {"application", holder.application},
                                            {"state", holder.state},
                                            {"query", holder.query},
                                            {"age_seconds", holder.age_seconds}});
    }
    journal_.Emit(std::move(blocked));
  }
  // Whoever reads the log from the ledger should not have to wait for the end of a long statement.
  std::int64_t up_to = 0;
  const std::string events = journal_.PendingSql(up_to);
  if (events.empty()) return;
  const auto stored = RunScript(*connection_, "BEGIN; SET LOCAL lock_timeout = '100ms';\n" +
                                                  AssertLeaseSql(key_) + events + "COMMIT;");
  if (stored.ok()) journal_.Stored(up_to);
}

void Attendant::StopStatement() {
  const std::lock_guard stopping(stopping_);
  pg::Connection* waiting = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (was_stopped_ || !is_watching_) return;
    was_stopped_ = true;
    waiting = watched_;
  }
  // Long enough that it has arrived before the watch ends and the next statement is sent, and well
  // within the life of the lease.
  waiting->Cancel(absl::Seconds(5));
}

}  // namespace lockstep::migration
