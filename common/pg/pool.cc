#include "common/pg/pool.h"

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/canceller.h"
#include "common/pg/lost_commit.h"
#include "common/pg/sqlstate.h"
#include "common/pg/suspension.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::pg {
namespace {

// The server is told the deadline too; ours comes a little later, so that its clear error usually
// arrives first.
constexpr absl::Duration kServerGrace = absl::Seconds(2);
constexpr absl::Duration kLongestStatement = absl::Hours(24);
// Between looks at what a suspended pool still has to close.
constexpr std::chrono::milliseconds kSuspendStep(5);

std::string BeginMessage(bool is_write, bool asks_for_life, absl::Duration remaining) {
  const int64_t timeout_ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(remaining), 1,
                                                 absl::ToInt64Milliseconds(kLongestStatement));
  std::string message = is_write ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
                                 : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  message += "; SET LOCAL statement_timeout = " + std::to_string(timeout_ms);
  // Compiling costs up to 200 ms a statement and is decided by estimates, which are far too high
  // while a table that fills has no statistics yet; what services ask takes a few milliseconds.
  message += "; SET LOCAL jit = off";
  // The id is needed should the answer to COMMIT be lost, and then it is too late to ask for it.
  if (is_write) message += "; SELECT pg_current_xact_id()::text AS xid";
  if (is_write && asks_for_life) message += std::string(", ") + kServerLifeSql + " AS server_life";
  return message;
}

bool IsStalePlan(const absl::Status& status) {
  const auto diagnostics = DiagnosticsOf(status);
  return diagnostics.has_value() && diagnostics->sqlstate == "0A000" &&
         diagnostics->message.find("cached plan") != std::string::npos;
}

absl::Duration Jittered(absl::Duration delay) {
  thread_local std::mt19937 generator{std::random_device{}()};
  return delay * std::uniform_real_distribution<>(0.5, 1.5)(generator);
}

}  // namespace

absl::StatusOr<Row> Tx::OneOf(absl::StatusOr<Result> result) {
  RETURN_IF_ERROR(result.status());
  if (result->size() == 1) return (*result)[0];
  if (result->empty()) {
    return Error(absl::StatusCode::kNotFound, "ROW_NOT_FOUND", "no such row");
  }
  return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
               "a query for one row returned several");
}

absl::StatusOr<std::optional<Row>> Tx::MaybeOf(absl::StatusOr<Result> result) {
  RETURN_IF_ERROR(result.status());
  if (result->empty()) return std::optional<Row>();
  ASSIGN_OR_RETURN(Row row, OneOf(std::move(result)));
  return std::optional<Row>(std::move(row));
}

namespace {

struct Session {
  std::unique_ptr<Connection> connection;
  // Of the server, asked for by the first write: see LostCommit.
  std::string server_life = {};
};

}  // namespace

struct Pool::State {
  explicit State(PoolOptions pool_options) : options(std::move(pool_options)) {}

  const PoolOptions options;
  absl::Mutex mu;
  std::vector<Session> idle ABSL_GUARDED_BY(mu);
  int open ABSL_GUARDED_BY(mu) = 0;  // borrowed, idle, or being opened
  int waiting ABSL_GUARDED_BY(mu) = 0;
  absl::Mutex ping_mu;
  std::unique_ptr<Connection> ping_connection ABSL_GUARDED_BY(ping_mu);
  Suspension suspension;
  Canceller canceller;

  ConnectionOptions ConnectionOptionsFor(absl::Duration timeout) const {
    ConnectionOptions connection;
    connection.database_url = options.database_url;
    connection.application_name = options.application_name;
    connection.prepare_statements = options.prepare_statements;
    connection.connect_timeout = std::min(options.connect_timeout, timeout);
    connection.give_up = &suspension.is_on();
    return connection;
  }

  absl::StatusOr<Session> Acquire(const Context& context);
  void Return(Session session, bool is_reusable);
  // Closes what is idle; false when something is still borrowed or being opened.
  bool CloseIdle();
  absl::Status PingOnce(absl::Duration timeout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(ping_mu);
  absl::Status RunOnce(const Context& context, Mode mode,
                       const std::function<absl::Status(Tx&)>& function);
  // Sets `lost` when nobody knows yet whether it was committed.
  absl::Status InTransaction(Session& session, const Context& context, Mode mode,
                             const std::function<absl::Status(Tx&)>& function,
                             std::optional<LostCommit>& lost);
};

absl::StatusOr<Session> Pool::State::Acquire(const Context& context) {
  RETURN_IF_ERROR(context.Check());
  RETURN_IF_ERROR(suspension.Check());
  const auto wake = context.OnCancel([this] { absl::MutexLock lock(&mu); });
  {
    absl::MutexLock lock(&mu);
    const auto is_ready = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
      return !idle.empty() || open < options.size || context.is_cancelled() || suspension.is_on();
    };
    ++waiting;
    const bool is_in_time = mu.AwaitWithTimeout(
        absl::Condition(&is_ready), std::min(options.acquire_timeout, context.remaining()));
    --waiting;
    if (context.is_cancelled()) return context.Check();
    RETURN_IF_ERROR(suspension.Check());
    if (!is_in_time) {
      RETURN_IF_ERROR(context.Check());
      return Error(absl::StatusCode::kResourceExhausted, "POOL_EXHAUSTED",
                   "every database connection is busy; try again later")
          .RetryAfter(std::chrono::seconds(1));
    }
    if (!idle.empty()) {
      Session session = std::move(idle.back());
      idle.pop_back();
      return session;
    }
    ++open;
  }
  auto connection = Connection::Open(ConnectionOptionsFor(context.remaining()));
  if (!connection.ok()) {
    {
      absl::MutexLock lock(&mu);
      --open;
    }
    RETURN_IF_ERROR(suspension.Check());
    return connection.status();
  }
  return Session{*std::move(connection)};
}

void Pool::State::Return(Session session, bool is_reusable) {
  if (!is_reusable || session.connection->is_lost() || session.connection->is_in_transaction()) {
    session.connection.reset();  // closing may take a moment: outside the lock
    absl::MutexLock lock(&mu);
    --open;
    return;
  }
  {
    absl::MutexLock lock(&mu);
    // One that comes back a moment too early for this is taken by CloseIdle().
    if (!suspension.is_on()) return idle.push_back(std::move(session));
  }
  Return(std::move(session), /*is_reusable=*/false);
}

bool Pool::State::CloseIdle() {
  std::vector<Session> closed;  // outside the lock
  std::unique_ptr<Connection> closed_ping;
  absl::MutexLock lock(&mu);
  closed.swap(idle);
  open -= static_cast<int>(closed.size());
  // A ping that runs closes its own: Suspension tells it.
  if (!ping_mu.TryLock()) return false;
  closed_ping.swap(ping_connection);
  ping_mu.Unlock();
  return open == 0;
}

absl::Status Pool::State::RunOnce(const Context& context, Mode mode,
                                  const std::function<absl::Status(Tx&)>& function) {
  ASSIGN_OR_RETURN(Session session, Acquire(context));
  const auto work = suspension.Enter(*session.connection, options.cancel_grace);
  if (!work.ok()) {
    Return(std::move(session), /*is_reusable=*/false);
    return work.status();
  }
  session.connection->SetIoDeadline(context.deadline() + kServerGrace);
  const auto on_cancel = context.OnCancel([this, target = *work] { canceller.Request(target); });
  std::optional<LostCommit> lost;
  absl::Status status = InTransaction(session, context, mode, function, lost);
  const bool was_cancelled = suspension.Leave(*work);
  Return(std::move(session), !was_cancelled && !IsStalePlan(status));
  // Without the connection, which others may replace meanwhile.
  if (lost.has_value()) {
    return ResolveCommit(context, ConnectionOptionsFor(options.connect_timeout), *lost,
                         options.resolve_grace);
  }
  if (was_cancelled && !status.ok()) {
    // Whatever the cancelled statement reported, the reason why it was cancelled is the truer one.
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(suspension.Check());
  }
  return status;
}

absl::Status Pool::State::InTransaction(Session& session, const Context& context, Mode mode,
                                        const std::function<absl::Status(Tx&)>& function,
                                        std::optional<LostCommit>& lost) {
  const bool is_write = mode == Mode::kWrite;
  Connection& connection = *session.connection;
  const bool asks_for_life = is_write && session.server_life.empty();
  ASSIGN_OR_RETURN(std::vector<Result> begun,
                   connection.Script(BeginMessage(is_write, asks_for_life, context.remaining())));
  const std::string xid = is_write ? begun.back()[0].Text("xid") : "";
  if (asks_for_life) {
    session.server_life = begun.back()[0].OptionalText("server_life").value_or("");
  }
  Tx tx(connection);
  absl::Status status;
  try {
    status = function(tx);
  } catch (const std::exception& error) {
    status = Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN", error.what());
  }
  if (status.ok()) status = context.Check();
  if (!status.ok()) {
    // A lost connection rolls back by itself.
    if (!connection.is_lost() && !connection.Script("ROLLBACK").ok()) connection.Cancel();
    return status;
  }
  if (is_write) {
    killpoint::Killpoint("pg.before_commit");
    connection.SetAfterSendHook([] { killpoint::Killpoint("pg.commit_sent"); });
  }
  status = connection.Commit();
  connection.SetAfterSendHook(nullptr);
  if (is_write && !status.ok() && connection.is_lost()) {
    lost = LostCommit{.xid = xid, .server_life = session.server_life};
  }
  if (is_write && status.ok()) killpoint::Killpoint("pg.after_commit");
  return status;
}

Pool::Pool(PoolOptions options) : state_(std::make_unique<State>(std::move(options))) {
  if (state_->options.access != nullptr) state_->options.access->Add(*this);
}

Pool::~Pool() {
  if (state_->options.access != nullptr) state_->options.access->Remove(*this);
  absl::MutexLock lock(&state_->mu);
  State* state = state_.get();
  const auto all_returned = [state]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return state->open == static_cast<int>(state->idle.size());
  };
  state_->mu.Await(absl::Condition(&all_returned));
  state_->idle.clear();
}

absl::Status Pool::Run(const Context& context, Mode mode,
                       const std::function<absl::Status(Tx&)>& function) {
  absl::Duration delay = state_->options.retry_backoff;
  // Idle connections may all be dead after a restart of the database: each is found out by its
  // first statement, when nothing has happened yet, so that one more attempt than there are
  // connections is safe and enough.
  int replacements = state_->options.size + 1;
  while (true) {
    bool has_started = false;
    absl::Status status = state_->RunOnce(context, mode, [&](Tx& tx) {
      has_started = true;
      return function(tx);
    });
    if (status.ok()) return status;
    const bool is_dead_idle = !has_started && IsConnectionLost(status) &&
                              SqlStateOf(status) != "08001" && --replacements > 0;
    const bool is_stale_plan = IsStalePlan(status) && --replacements > 0;
    if (is_dead_idle || is_stale_plan) continue;
    if (!IsSerializationFailure(status)) return status;
    const absl::Duration pause = Jittered(delay);
    if (pause >= context.remaining() || context.is_cancelled()) return status;
    absl::SleepFor(pause);
    delay = std::min(delay * 2, state_->options.retry_backoff * 16);
  }
}

absl::Status Pool::State::PingOnce(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  if (ping_connection == nullptr) {
    ASSIGN_OR_RETURN(ping_connection, Connection::Open(ConnectionOptionsFor(timeout)));
  }
  const auto work = suspension.Enter(*ping_connection, options.cancel_grace);
  absl::Status status = work.status();
  bool was_cancelled = false;
  if (work.ok()) {
    ping_connection->SetIoDeadline(deadline);
    status = ping_connection->Query("SELECT 1").status();
    was_cancelled = suspension.Leave(*work);
  }
  if (!status.ok() || was_cancelled) ping_connection.reset();
  return status;
}

absl::Status Pool::Ping(absl::Duration timeout) {
  RETURN_IF_ERROR(state_->suspension.Check());
  absl::MutexLock lock(&state_->ping_mu);
  const absl::Time deadline = absl::Now() + timeout;
  // Twice: a dead connection of the last time says nothing about the database now.
  const bool may_be_dead = state_->ping_connection != nullptr;
  absl::Status status = state_->PingOnce(timeout);
  if (!status.ok() && may_be_dead) status = state_->PingOnce(deadline - absl::Now());
  if (!status.ok()) RETURN_IF_ERROR(state_->suspension.Check());
  return status;
}

void Pool::Suspend(const absl::Status& why, std::chrono::milliseconds grace) {
  const auto deadline = std::chrono::steady_clock::now() + grace;
  BeginSuspend(why);
  EndSuspend(deadline);
}

void Pool::BeginSuspend(const absl::Status& why) {
  state_->suspension.Begin(why);
  state_->suspension.CancelAll();
  // Also wakes those who wait for a connection.
  state_->CloseIdle();
}

void Pool::EndSuspend(std::chrono::steady_clock::time_point deadline) {
  while (!state_->CloseIdle()) {
    if (std::chrono::steady_clock::now() >= deadline) return state_->suspension.CutOff();
    state_->suspension.CancelAll();
    // In steps: a wait for a condition would go by the wall clock, which may be set meanwhile.
    std::this_thread::sleep_for(kSuspendStep);
  }
}

void Pool::Resume() { state_->suspension.End(); }

Pool::Stats Pool::stats() const {
  absl::MutexLock lock(&state_->mu);
  return {state_->open, static_cast<int>(state_->idle.size()), state_->waiting};
}

const PoolOptions& Pool::options() const { return state_->options; }

}  // namespace lockstep::pg
