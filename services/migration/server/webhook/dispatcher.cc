#include "services/migration/server/webhook/dispatcher.h"

#include <exception>
#include <random>
#include <utility>

#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/server/webhook/delivery_rules.h"

namespace lockstep::migration::webhook {
namespace {

// Events of one run that are read at once.
constexpr int kPage = 100;
// How often runs are looked at that were over long ago: their logs grow only when a later run
// finishes what they began.
constexpr absl::Duration kSweep = absl::Minutes(1);
// How often it is asked whether the process that sends is still there, or the database is back.
constexpr absl::Duration kIdle = absl::Seconds(5);
// Every answer of the database comes within this, or the connection counts as lost.
constexpr absl::Duration kDatabaseWait = absl::Seconds(15);

double Random() {
  static thread_local std::mt19937 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

std::string ErrorOf(const Answer& answer) {
  return answer.http_status == 0 ? answer.error : "HTTP " + std::to_string(answer.http_status);
}

}  // namespace

Dispatcher::Dispatcher(EngineOptions engine, WebhookOptions options)
    : engine_(std::move(engine)), options_(std::move(options)), sender_(options_) {
  thread_ = std::thread([this] { Work(); });
}

Dispatcher::~Dispatcher() {
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  sender_.Stop();
  thread_.join();
}

bool Dispatcher::IsStopping() {
  absl::MutexLock lock(&mu_);
  return is_stopping_;
}

void Dispatcher::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithTimeout(absl::Condition(&is_stopping_), duration);
}

void Dispatcher::LogProblem(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (!told_.empty() && reason == told_) return;
  told_ = reason.empty() ? "unknown" : reason;
  log::Warn("webhook_interrupted", {{"why", status}});
}

void Dispatcher::Work() {
  while (!IsStopping()) {
    absl::StatusOr<bool> looks_again = false;
    try {
      looks_again = Round();
    } catch (const std::exception& error) {
      looks_again = Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN", error.what()).ToStatus();
    }
    if (looks_again.ok()) {
      told_.clear();
      Pause(*looks_again ? options_.poll_interval : kIdle);
      continue;
    }
    LogProblem(looks_again.status());
    // Another process may send from now on: whether we do is decided anew.
    connection_.reset();
    is_sender_ = false;
    Pause(kIdle);
  }
}

absl::StatusOr<bool> Dispatcher::IsSender() {
  if (connection_ == nullptr) {
    ASSIGN_OR_RETURN(connection_, OpenSession(engine_, "webhook"));
  }
  connection_->SetIoDeadline(absl::Now() + kDatabaseWait);
  if (is_sender_) return true;
  RETURN_IF_ERROR(CheckLedger(*connection_));
  ASSIGN_OR_RETURN(is_sender_, BecomeSender(*connection_));
  if (!is_sender_) return false;
  RETURN_IF_ERROR(BeginRecord(*connection_));
  next_sweep_ = absl::InfinitePast();
  log::Info("webhook_ready", {{"events", static_cast<long long>(options_.events.size())}});
  return true;
}

absl::StatusOr<bool> Dispatcher::Round() {
  ASSIGN_OR_RETURN(const bool is_sender, IsSender());
  if (!is_sender) return false;
  const bool is_sweep = absl::Now() >= next_sweep_;
  if (is_sweep) next_sweep_ = absl::Now() + kSweep;
  ASSIGN_OR_RETURN(const std::vector<RunWithNews> news, FindNews(*connection_, is_sweep));
  for (const RunWithNews& run : news) {
    if (IsStopping()) break;
    RETURN_IF_ERROR(Tell(run));
  }
  return true;
}

absl::Status Dispatcher::Tell(const RunWithNews& run) {
  connection_->SetIoDeadline(absl::Now() + kDatabaseWait);
  ASSIGN_OR_RETURN(const std::vector<RunEvent> events,
                   LoadEvents(*connection_, run.run_id, run.done, kPage));
  int attempts = run.attempts;
  std::int64_t recorded = run.done;
  for (const RunEvent& event : events) {
    if (!IsWanted(options_.events, event.kind)) continue;
    ASSIGN_OR_RETURN(const bool may_go_on, TellEvent(run, event, attempts));
    if (!may_go_on) return absl::OkStatus();
    attempts = 0;
    recorded = event.offset;
  }
  // What nobody asked for, at the end of what was read.
  if (events.empty() || events.back().offset == recorded) return absl::OkStatus();
  connection_->SetIoDeadline(absl::Now() + kDatabaseWait);
  return RecordDone(*connection_, run.run_id, events.back().offset, 0);
}

absl::StatusOr<bool> Dispatcher::TellEvent(const RunWithNews& run, const RunEvent& event,
                                           int attempts_before) {
  if (IsStopping()) return false;
  const Answer answer = sender_.Post(EventId(event), BodyOf(event, run.facts, options_.statements));
  if (answer.is_broken_off) return false;
  connection_->SetIoDeadline(absl::Now() + kDatabaseWait);
  const Verdict verdict = VerdictOf(answer.http_status);
  if (verdict == Verdict::kDelivered) {
    RETURN_IF_ERROR(RecordDone(*connection_, run.run_id, event.offset, 1));
    return true;
  }
  const int attempts = attempts_before + 1;
  const std::string error = ErrorOf(answer);
  if (IsGivenUp(verdict, attempts, options_.max_attempts)) {
    RETURN_IF_ERROR(RecordGivenUp(*connection_, event, attempts, error));
    log::Error("webhook_event_undeliverable", {{"event_id", EventId(event)},
                                               {"kind", event.kind},
                                               {"attempts", attempts},
                                               {"why", error}});
    return true;
  }
  const absl::Duration delay = DelayAfter(attempts, Random(), answer.retry_after);
  RETURN_IF_ERROR(
      RecordFailure(*connection_, run.run_id, event.offset - 1, attempts, delay, error));
  if (attempts == 1) {
    log::Warn("webhook_event_not_taken", {{"event_id", EventId(event)}, {"why", error}});
  }
  return false;
}

}  // namespace lockstep::migration::webhook
