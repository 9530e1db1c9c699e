// Pooled connections and transactions.
//
// `Pool::Read` and `Pool::Write` borrow a connection, run a function inside one transaction and end
// it: COMMIT when the function returns OK, ROLLBACK otherwise. They cancel the running statement
// when the context is cancelled, run the function again after serialization failures and deadlocks
// (40001, 40P01), replace dead connections, and find out what became of a COMMIT whose answer was
// lost.
//
// The time that is left at BEGIN is the statement_timeout of the transaction. PostgreSQL counts it
// for each statement anew, so it ends the first on time; a later one that is still running a moment
// after the context's deadline costs its connection instead.
//
// A pool can be suspended, alone or with others (access.h): then it has no connection and refuses
// work until it is resumed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/access.h"
#include "common/pg/connection.h"
#include "common/pg/value.h"

namespace lockstep::pg {

// One open transaction. Lives only inside the function given to Pool::Read/Write.
class Tx {
 public:
  explicit Tx(Connection& connection) : connection_(connection) {}

  template <typename... Params>
  [[nodiscard]] absl::StatusOr<Result> Query(std::string_view sql, const Params&... params) {
    return connection_.Query(sql, params...);
  }
  [[nodiscard]] absl::StatusOr<Result> QueryList(std::string_view sql,
                                                 const std::vector<Param>& params) {
    return connection_.QueryList(sql, params);
  }
  // Exactly one row. NOT_FOUND (ROW_NOT_FOUND) for none, INTERNAL (INVARIANT_BROKEN) for several.
  template <typename... Params>
  [[nodiscard]] absl::StatusOr<Row> One(std::string_view sql, const Params&... params) {
    return OneOf(connection_.Query(sql, params...));
  }
  // One row or none.
  template <typename... Params>
  [[nodiscard]] absl::StatusOr<std::optional<Row>> Maybe(std::string_view sql,
                                                         const Params&... params) {
    return MaybeOf(connection_.Query(sql, params...));
  }
  // Number of rows touched.
  template <typename... Params>
  [[nodiscard]] absl::StatusOr<std::int64_t> Execute(std::string_view sql,
                                                     const Params&... params) {
    auto result = connection_.Query(sql, params...);
    if (!result.ok()) return result.status();
    return result->affected();
  }
  [[nodiscard]] absl::StatusOr<std::vector<Result>> Pipeline(
      const std::vector<Connection::Statement>& statements) {
    return connection_.Pipeline(statements);
  }
  [[nodiscard]] absl::StatusOr<std::int64_t> CopyIn(std::string_view copy_sql,
                                                    std::string_view lines) {
    return connection_.CopyIn(copy_sql, lines);
  }

 private:
  static absl::StatusOr<Row> OneOf(absl::StatusOr<Result> result);
  static absl::StatusOr<std::optional<Row>> MaybeOf(absl::StatusOr<Result> result);
  Connection& connection_;
};

struct PoolOptions {
  std::string database_url;
  std::string application_name = "lockstep";
  int size = 4;  // connections at most; 2 to 4 is right for point reads on 2 cores
  // How long a caller waits for a connection before RESOURCE_EXHAUSTED (POOL_EXHAUSTED), deadline
  // permitting.
  absl::Duration acquire_timeout = absl::Seconds(5);
  absl::Duration connect_timeout = absl::Seconds(2);
  absl::Duration retry_backoff =
      absl::Milliseconds(5);  // doubles, with jitter, up to 16 times this
  // How long a cancelled statement may take to end before its connection is given up.
  absl::Duration cancel_grace = absl::Seconds(2);
  // How long an unknown COMMIT is asked about beyond the call's own deadline or cancellation:
  // knowing is worth a late answer.
  absl::Duration resolve_grace = absl::Seconds(3);
  bool prepare_statements = true;  // off behind a transaction pooler
  // What the pool obeys; shared with whoever suspends and resumes it. Null: only its own Suspend()
  // and Resume().
  std::shared_ptr<Access> access = nullptr;
};

// Thread-safe.
class Pool {
 public:
  explicit Pool(PoolOptions options);
  // Waits for borrowed connections to come back, then closes all.
  ~Pool();

  // `function` is `absl::Status(Tx&)` or `absl::StatusOr<T>(Tx&)`; it may run more than once, so it
  // touches only `tx` and its own values. Errors: UNAVAILABLE (DATABASE_UNREACHABLE),
  // RESOURCE_EXHAUSTED (POOL_EXHAUSTED), DEADLINE_EXCEEDED, CANCELLED, ABORTED
  // (SERIALIZATION_CONFLICT) when retries ran out of time, UNKNOWN (COMMIT_OUTCOME_UNKNOWN), what
  // the pool was suspended with, or what the function returned.
  template <typename Function>
  [[nodiscard]] auto Write(const Context& context, Function function) {
    return RunTyped(context, Mode::kWrite, std::move(function));
  }
  // The same in a READ ONLY REPEATABLE READ transaction: every statement sees the same data.
  template <typename Function>
  [[nodiscard]] auto Read(const Context& context, Function function) {
    return RunTyped(context, Mode::kRead, std::move(function));
  }

  // One cheap round trip on a connection of its own, outside the pool's bound: for health checks
  // that must not queue behind work.
  [[nodiscard]] absl::Status Ping(absl::Duration timeout);

  // From now on all work, also Ping(), is refused with `why` (UNAVAILABLE, so that callers come
  // again). Idle connections are closed at once; running statements are cancelled, and their
  // callers get `why`, or UNKNOWN (COMMIT_OUTCOME_UNKNOWN) when a COMMIT was under way. What is
  // still borrowed after `grace` is cut off in the middle. Returns once no connection is left,
  // after `grace` at the latest, measured by a clock that nobody sets. May be called again with
  // another `why`.
  void Suspend(const absl::Status& why, std::chrono::milliseconds grace);
  // Ends a suspension; connections are opened again as they are needed.
  void Resume();

  struct Stats {
    int open = 0, idle = 0, waiting = 0;
  };
  Stats stats() const;
  const PoolOptions& options() const;

 private:
  friend class Access;
  // The two halves of Suspend(), the first of which does not wait.
  void BeginSuspend(const absl::Status& why);
  void EndSuspend(std::chrono::steady_clock::time_point deadline);

  enum class Mode { kRead, kWrite };
  absl::Status Run(const Context& context, Mode mode,
                   const std::function<absl::Status(Tx&)>& function);

  template <typename Function>
  auto RunTyped(const Context& context, Mode mode, Function function)
      -> std::invoke_result_t<Function, Tx&> {
    using Returned = std::invoke_result_t<Function, Tx&>;
    if constexpr (std::is_same_v<Returned, absl::Status>) {
      return Run(context, mode, function);
    } else {
      std::optional<Returned> value;
      absl::Status status = Run(context, mode, [&](Tx& tx) {
        value.emplace(function(tx));
        return value->status();
      });
      if (!status.ok()) return status;
      return std::move(*value);
    }
  }

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lockstep::pg
