#include "services/migration/engine/run/attendant.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/backfill/backfill_ledger.h"
#include "services/migration/engine/run/lease.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kBetweenWishes = absl::Seconds(1);
// A statement that runs longer than this is looked at, and again so often: whoever queues behind it
// must not wait long. One that still waits later is of those that nobody queues behind.
constexpr absl::Duration kLook = absl::Milliseconds(50);
constexpr absl::Duration kLateLook = absl::Milliseconds(250);
constexpr absl::Duration kLate = absl::Seconds(10);
// How often the ledger's log is brought up to date meanwhile.
constexpr absl::Duration kStore = absl::Milliseconds(250);
// How often the progress of a build is read, of a statement that has run as long.
constexpr absl::Duration kBetweenBuildLooks = absl::Milliseconds(500);

// Whether anybody has waited for `grace` because of `pid`, which itself waits.
absl::StatusOr<bool> HasQueue(pg::Connection& connection, int pid, absl::Duration grace) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT EXISTS (SELECT FROM pg_locks AS l WHERE NOT l.granted AND l.pid <> $1"
          "   AND l.waitstart <= clock_timestamp() - $2 * interval '1 millisecond'"
          "   AND $1 = ANY (pg_blocking_pids(l.pid))) AS has_queue",
          pid, absl::ToInt64Milliseconds(grace)));
  return rows[0].Get<bool>("has_queue");
}

}  // namespace

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

Attendant::Watch::Watch(Attendant& attendant, Happening label, pg::Connection* watched,
                        absl::Duration grace)
    : attendant_(attendant) {
  const std::lock_guard lock(attendant_.mutex_);
  attendant_.is_watching_ = true;
  attendant_.watched_ = watched == nullptr ? &attendant_.main_ : watched;
  attendant_.was_stopped_ = false;
  attendant_.has_yielded_ = false;
  ++attendant_.watch_number_;
  attendant_.grace_ = grace;
  attendant_.watch_started_ = absl::Now();
  attendant_.label_ = std::move(label);
  attendant_.holders_.clear();
  attendant_.reported_.clear();
  // The thread need not wake for this: it sleeps at most kLook.
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

bool Attendant::has_yielded() const {
  const std::lock_guard lock(mutex_);
  return has_yielded_;
}

void Attendant::Loop() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    const absl::Duration pause =
        is_watching_ && absl::Now() - watch_started_ > kLate ? kLateLook : kLook;
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
  const Subject subject = LookedAt();
  if (subject.number == 0 || subject.runs_for < kLook) return;
  if (is_lease_lost_ || is_cancelled_ || !context_.Check().ok()) {
    StopStatement();
    return;
  }
  Look();
}

Attendant::Subject Attendant::LookedAt() const {
  const std::lock_guard lock(mutex_);
  if (!is_watching_) return {};
  return {.number = watch_number_,
          .pid = watched_->backend_pid(),
          .grace = grace_,
          .runs_for = absl::Now() - watch_started_};
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

bool Attendant::Waits(int pid) {
  // Asking who blocks whom stops the server's lock table for a moment; most statements wait for
  // nobody. Of a role that the server hides nothing can be said, so it may be waiting.
  const auto seen = connection_->Query(
      "SELECT coalesce(a.wait_event_type, '') = 'Lock' OR a.query = '<insufficient privilege>'"
      "       AS waits FROM pg_stat_get_activity($1) AS a",
      pid);
  return seen.ok() && !seen->empty() && (*seen)[0].Optional<bool>("waits").value_or(false);
}

void Attendant::Look() {
  if (!Connected()) return;
  const Subject subject = LookedAt();
  if (subject.number == 0) return;
  if (Waits(subject.pid)) {
    const auto holders = HoldersInTheWayOf(*connection_, subject.pid);
    if (!holders.ok()) return;
    TellHolders(subject, *holders);
    if (!holders->empty() && subject.grace != absl::InfiniteDuration()) {
      const auto has_queue = HasQueue(*connection_, subject.pid, subject.grace);
      if (has_queue.ok() && *has_queue) Yield(subject);
    }
  }
  LookAtBuild(subject);
  if (absl::Now() >= next_store_) StoreEvents();
}

std::optional<Happening> Attendant::LabelOf(const Subject& subject) const {
  const std::lock_guard lock(mutex_);
  if (!is_watching_ || watch_number_ != subject.number) return std::nullopt;
  return label_;
}

void Attendant::LookAtBuild(const Subject& subject) {
  const absl::Time now = absl::Now();
  if (subject.runs_for < kBetweenBuildLooks || now < next_build_look_) return;
  next_build_look_ = now + kBetweenBuildLooks;
  const auto progress = LoadBuildProgress(*connection_, subject.pid);
  if (!progress.ok() || !progress->has_value()) return;
  if (build_number_ != subject.number) build_ = BuildWatch();
  build_number_ = subject.number;
  switch (build_.Look(**progress, now, options_.build_stall_after)) {
    case BuildWatch::News::kNothing:
      return;
    case BuildWatch::News::kStalled:
      TellStall(subject, **progress);
      return;
    case BuildWatch::News::kProgress:
      break;
  }
  std::optional<Happening> told = LabelOf(subject);
  if (!told.has_value()) return;
  told->kind = "build_progress";
  told->message = (*progress)->text();
  told->details.Update((*progress)->details());
  journal_.Emit(*std::move(told));
}

void Attendant::TellStall(const Subject& subject, const BuildProgress& progress) {
  const auto holders = HoldersInTheWayOf(*connection_, subject.pid);
  const auto oldest = OldestTransaction(*connection_, subject.pid);
  std::optional<Happening> told = LabelOf(subject);
  if (!told.has_value()) return;
  const absl::Duration still = absl::Now() - build_.unchanged_since();
  told->kind = "build_stalled";
  told->message =
      absl::StrFormat("has not moved for %d s: %s", absl::ToInt64Seconds(still), progress.text());
  told->details.Update(progress.details());
  told->details["unchanged_seconds"] = absl::ToInt64Seconds(still);
  if (holders.ok() && !holders->empty()) {
    told->message += "; held up by " + holders->front().text() + "; " + holders->front().advice();
    told->details["holders"] = ToJson(*holders);
  }
  if (oldest.ok() && oldest->has_value()) {
    told->message += "; the oldest transaction is that of " + (*oldest)->text();
    told->details["oldest_transaction"] = ToJson({**oldest})[0];
  }
  journal_.Emit(*std::move(told));
  next_store_ = absl::InfinitePast();
}

void Attendant::TellHolders(const Subject& subject, const std::vector<LockHolder>& holders) {
  Happening blocked;
  {
    const std::lock_guard lock(mutex_);
    if (!is_watching_ || watch_number_ != subject.number || holders.empty()) return;
    std::string pids;
    for (const LockHolder& holder : holders) pids += std::to_string(holder.pid) + " ";
    holders_ = holders;
    if (pids == reported_) return;
    reported_ = pids;
    blocked = label_;
  }
  blocked.kind = "step_blocked";
  blocked.message = "waits for a lock held by " + holders.front().text();
  blocked.details["holders"] = ToJson(holders);
  blocked.details["is_queued"] = true;
  journal_.Emit(std::move(blocked));
  next_store_ = absl::InfinitePast();
}

void Attendant::StoreEvents() {
  next_store_ = absl::Now() + kStore;
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

void Attendant::Yield(const Subject& subject) {
  const std::lock_guard stopping(stopping_);
  pg::Connection* waiting = nullptr;
  {
    const std::lock_guard lock(mutex_);
    // Not another statement, which may be one that must not be broken off.
    if (!is_watching_ || watch_number_ != subject.number) return;
    has_yielded_ = true;
    waiting = watched_;
  }
  waiting->Cancel(absl::Seconds(5));
}

}  // namespace lockstep::migration
