#include "common/outbox/dispatcher.h"

#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "common/killpoint/killpoint.h"
#include "common/outbox/internal.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::outbox {
namespace {

// Marking must work although the batch's own context was cancelled: the receiver has acted already.
constexpr absl::Duration kMarkTimeout = absl::Seconds(10);
constexpr absl::Duration kClaimTimeout = absl::Seconds(10);
constexpr std::size_t kMaxErrorText = 500;

// The receiver understood the event and will not have it; repeating it changes little.
bool IsRefusal(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

// For last_error: what PostgreSQL can store (no U+0000), of bounded length and not cut inside a
// character.
std::string ErrorText(const absl::Status& status) {
  std::string text = absl::StatusCodeToString(status.code()) + ": ";
  const std::string reason = ReasonOf(status);
  if (!reason.empty()) text += reason + ": ";
  text += MessageOf(status);
  std::replace(text.begin(), text.end(), '\0', ' ');
  if (text.size() > kMaxErrorText) {
    std::size_t end = kMaxErrorText;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
  }
  return text;
}

absl::Duration Exponential(absl::Duration initial, absl::Duration max, int attempts) {
  absl::Duration delay = initial;
  for (int i = 1; i < attempts && delay < max; ++i) delay *= 2;
  return std::min(delay, max);
}

// What becomes of one event of a batch.
struct Mark {
  Outcome outcome = Outcome::kDelivered;
  bool is_returned = false;  // kWillRetry, at once and as if it had not been tried
  absl::Duration delay = absl::ZeroDuration();
  std::string error;
};

}  // namespace

DeliverBatch EachEvent(std::function<absl::Status(const Context&, const Event&)> deliver) {
  return [deliver = std::move(deliver)](const Context& context, std::span<const Event> events) {
    std::vector<absl::Status> statuses;
    statuses.reserve(events.size());
    for (const Event& event : events) {
      const absl::Status alive = context.Check();
      statuses.push_back(alive.ok() ? deliver(context, event) : alive);
    }
    return statuses;
  };
}

struct Dispatcher::Impl {
  Impl(pg::Pool& pool_in, pg::TableName table, DeliverBatch deliver_in,
       DispatcherOptions options_in)
      : pool(pool_in),
        name(table.text()),
        deliver(std::move(deliver_in)),
        options(std::move(options_in)) {}

  absl::StatusOr<std::vector<Event>> Claim(const Context& context);
  Mark Decide(const Event& event, const absl::Status& status, bool is_stopping);
  absl::Status MarkAll(const std::vector<Event>& events, const std::vector<Mark>& marks);
  absl::StatusOr<BatchResult> RunBatch(const Context& context);
  void Loop();
  // Sleeps until `duration` has passed or the dispatcher stops; with `until_notified` also until
  // Notify().
  void Wait(absl::Duration duration, bool until_notified);

  pg::Pool& pool;
  const std::string name;
  const DeliverBatch deliver;
  const DispatcherOptions options;
  absl::BitGen random;  // used by the thread that runs batches

  mutable absl::Mutex mu;
  bool is_notified ABSL_GUARDED_BY(mu) = false;
  bool is_stopping ABSL_GUARDED_BY(mu) = false;
  bool is_running ABSL_GUARDED_BY(mu) = false;
  std::optional<Context> in_flight ABSL_GUARDED_BY(mu);
  Stats stats ABSL_GUARDED_BY(mu);

  absl::Mutex join_mu;  // lets Stop() be called by several threads
  std::thread thread ABSL_GUARDED_BY(join_mu);
};

absl::StatusOr<std::vector<Event>> Dispatcher::Impl::Claim(const Context& context) {
  // An event is a head when it is the oldest pending one of its aggregate. The scalar subquery is
  // one index probe for each candidate, in the order of the index, and stops at LIMIT; a NOT EXISTS
  // may be planned as a join over everything pending.
  //
  // Between the snapshot and the lock another dispatcher may have claimed or marked the row:
  // PostgreSQL then looks at WHERE again with the new version, whose next_attempt_at lies in the
  // future or which is no longer pending.
  const std::string sql =
      "WITH head AS MATERIALIZED (SELECT e.event_id AS id FROM " + name +
      " e WHERE e.delivered_at IS NULL AND e.dead_at IS NULL AND e.next_attempt_at <= now()"
      " AND e.sequence = (SELECT p.sequence FROM " +
      name +
      " p WHERE p.aggregate = e.aggregate AND p.delivered_at IS NULL AND p.dead_at IS NULL"
      " ORDER BY p.sequence LIMIT 1)"
      " ORDER BY e.next_attempt_at, e.sequence LIMIT $1::integer FOR UPDATE OF e SKIP LOCKED)"
      " UPDATE " +
      name +
      " o SET attempts = o.attempts + 1,"
      " next_attempt_at = now() + $2::bigint * interval '1 millisecond'"
      " FROM head WHERE o.event_id = head.id RETURNING " +
      std::string(internal::kEventColumns);
  ASSIGN_OR_RETURN(const pg::Result rows, pool.Write(context, [&](pg::Tx& tx) {
    return tx.Query(sql, options.batch_size, absl::ToInt64Milliseconds(options.lease));
  }));
  std::vector<Event> events;
  events.reserve(static_cast<std::size_t>(rows.size()));
  for (const pg::Row row : rows) events.push_back(internal::EventFromRow(row));
  std::sort(events.begin(), events.end(),
            [](const Event& a, const Event& b) { return a.sequence < b.sequence; });
  return events;
}

Mark Dispatcher::Impl::Decide(const Event& event, const absl::Status& status, bool stopping) {
  Mark mark;
  if (status.ok()) return mark;
  mark.error = ErrorText(status);
  // Our own stop is not the event's fault.
  if (stopping && (status.code() == absl::StatusCode::kCancelled ||
                   status.code() == absl::StatusCode::kDeadlineExceeded)) {
    mark.outcome = Outcome::kWillRetry;
    mark.is_returned = true;
    return mark;
  }
  const int limit = IsRefusal(status.code()) ? options.permanent_attempts : options.max_attempts;
  if (event.attempts >= limit) {
    mark.outcome = Outcome::kDead;
    return mark;
  }
  mark.outcome = Outcome::kWillRetry;
  mark.delay = Exponential(options.backoff_initial, options.backoff_max, event.attempts) *
               absl::Uniform(random, 0.5, 1.0);
  return mark;
}

absl::Status Dispatcher::Impl::MarkAll(const std::vector<Event>& events,
                                       const std::vector<Mark>& marks) {
  std::vector<std::string> delivered, failed, attempts, delays, outcomes, errors;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (marks[i].outcome == Outcome::kDelivered) {
      delivered.push_back(events[i].event_id);
      continue;
    }
    failed.push_back(events[i].event_id);
    attempts.push_back(std::to_string(events[i].attempts));
    delays.push_back(std::to_string(absl::ToInt64Milliseconds(marks[i].delay)));
    outcomes.push_back(marks[i].outcome == Outcome::kDead ? "dead"
                       : marks[i].is_returned             ? "returned"
                                                          : "retry");
    errors.push_back(marks[i].error);
  }
  return pool.Write(Context::WithTimeout(kMarkTimeout), [&](pg::Tx& tx) -> absl::Status {
    if (!delivered.empty()) {
      // Whoever was told, the receiver has it: this does not depend on the lease.
      RETURN_IF_ERROR(tx.Execute("UPDATE " + name +
                                     " SET delivered_at = now(), dead_at = NULL, last_error = NULL"
                                     " WHERE event_id = ANY ($1::uuid[]) AND delivered_at IS NULL",
                                 pg::ArrayLiteral(delivered))
                          .status());
    }
    if (failed.empty()) return absl::OkStatus();
    // Only while nobody has claimed it since: `attempts` changes with every claim.
    return tx
        .Execute("UPDATE " + name +
                     " o SET last_error = f.error,"
                     " attempts = o.attempts - CASE f.outcome WHEN 'returned' THEN 1 ELSE 0 END,"
                     " dead_at = CASE f.outcome WHEN 'dead' THEN now() END,"
                     " next_attempt_at = now() + f.delay * interval '1 millisecond'"
                     " FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[], $5::text[])"
                     " AS f (id, attempts, delay, outcome, error)"
                     " WHERE o.event_id = f.id AND o.attempts = f.attempts"
                     " AND o.delivered_at IS NULL AND o.dead_at IS NULL",
                 pg::ArrayLiteral(failed), pg::ArrayLiteral(attempts), pg::ArrayLiteral(delays),
                 pg::ArrayLiteral(outcomes), pg::ArrayLiteral(errors))
        .status();
  });
}

absl::StatusOr<Dispatcher::BatchResult> Dispatcher::Impl::RunBatch(const Context& context) {
  ASSIGN_OR_RETURN(const std::vector<Event> events, Claim(context));
  if (events.empty()) return BatchResult();
  Killpoint("outbox.claimed");
  const Context delivery =
      Context::WithDeadline(std::min(context.deadline(), absl::Now() + options.delivery_timeout));
  const Context::Registration link = context.OnCancel([delivery] { delivery.Cancel(); });
  std::vector<absl::Status> statuses = deliver(delivery, events);
  if (statuses.size() != events.size()) {
    statuses.assign(events.size(),
                    Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                          "the delivery function must return one status for each event"));
  }
  Killpoint("outbox.delivered");
  const bool stopping = context.is_cancelled();
  std::vector<Mark> marks;
  BatchResult result;
  result.claimed = static_cast<int>(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    marks.push_back(Decide(events[i], statuses[i], stopping));
    if (marks[i].outcome == Outcome::kDelivered) ++result.delivered;
  }
  RETURN_IF_ERROR(MarkAll(events, marks));
  Killpoint("outbox.marked");
  {
    absl::MutexLock lock(&mu);
    for (const Mark& mark : marks) {
      ++(mark.outcome == Outcome::kDelivered ? stats.delivered
         : mark.outcome == Outcome::kDead    ? stats.dead
                                             : stats.retried);
    }
  }
  if (options.on_outcome) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      options.on_outcome(events[i], statuses[i], marks[i].outcome);
    }
  }
  return result;
}

void Dispatcher::Impl::Loop() {
  int failures = 0;
  for (;;) {
    const Context context = Context::WithTimeout(kClaimTimeout + options.delivery_timeout);
    {
      absl::MutexLock lock(&mu);
      if (is_stopping) break;
      is_notified = false;
      in_flight = context;
    }
    const absl::StatusOr<BatchResult> result = RunBatch(context);
    if (!result.ok() || (result->claimed > 0 && result->delivered == 0)) {
      // The database or the receiver is away. Going on would only spend an attempt of every other
      // event as well.
      ++failures;
      Wait(Exponential(options.backoff_initial, options.backoff_max, failures) *
               absl::Uniform(random, 0.5, 1.0),
           /*until_notified=*/false);
    } else {
      failures = 0;
      // After a batch there may be more, if only the events that it released.
      if (result->claimed == 0) Wait(options.poll_interval, /*until_notified=*/true);
    }
  }
  absl::MutexLock lock(&mu);
  in_flight.reset();
  is_running = false;
}

void Dispatcher::Impl::Wait(absl::Duration duration, bool until_notified) {
  const auto is_over = [this, until_notified]() ABSL_SHARED_LOCKS_REQUIRED(mu) {
    return is_stopping || (until_notified && is_notified);
  };
  absl::MutexLock lock(&mu);
  mu.AwaitWithTimeout(absl::Condition(&is_over), duration);
}

Dispatcher::Dispatcher(pg::Pool& pool, pg::TableName table, DeliverBatch deliver,
                       DispatcherOptions options)
    : impl_(std::make_unique<Impl>(pool, table, std::move(deliver), std::move(options))) {}

Dispatcher::~Dispatcher() { Stop(); }

void Dispatcher::Start() {
  absl::MutexLock join(&impl_->join_mu);
  {
    absl::MutexLock lock(&impl_->mu);
    if (impl_->is_running || impl_->is_stopping) return;
    impl_->is_running = true;
  }
  impl_->thread = std::thread([this] { impl_->Loop(); });
}

void Dispatcher::Notify() {
  absl::MutexLock lock(&impl_->mu);
  impl_->is_notified = true;
}

void Dispatcher::Stop(absl::Duration grace) {
  std::optional<Context> late;
  {
    absl::MutexLock lock(&impl_->mu);
    impl_->is_stopping = true;
    const auto has_ended = [this]()
                               ABSL_SHARED_LOCKS_REQUIRED(impl_->mu) { return !impl_->is_running; };
    if (!impl_->mu.AwaitWithTimeout(absl::Condition(&has_ended), grace)) late = impl_->in_flight;
  }
  if (late.has_value()) late->Cancel();
  absl::MutexLock join(&impl_->join_mu);
  if (impl_->thread.joinable()) impl_->thread.join();
}

absl::StatusOr<Dispatcher::BatchResult> Dispatcher::RunOnce(const Context& context) {
  return impl_->RunBatch(context);
}

Dispatcher::Stats Dispatcher::stats() const {
  absl::MutexLock lock(&impl_->mu);
  return impl_->stats;
}

}  // namespace lockstep::outbox
