// One session with PostgreSQL, over libpq. It never reconnects by itself: a session that is lost
// stays lost, since its state (role, settings, locks) would silently be gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/cancel_request.h"
#include "common/pg/value.h"

struct pg_conn;

namespace lockstep::pg {

struct ConnectionOptions {
  std::string database_url;      // libpq connection string or URI
  std::string application_name;  // shown in pg_stat_activity
  absl::Duration connect_timeout = absl::Seconds(5);
  // Named prepared statements, made at first use. Off behind a transaction pooler.
  bool prepare_statements = false;
  // Sent once after connecting, for example "SET client_connection_check_interval = '1s'". Keep
  // empty for pooled connections: they must not depend on session state.
  std::string session_setup;
  // Looked at every 100 ms while connecting: true ends the attempt. Null: nobody gives it up.
  const std::atomic<bool>* give_up = nullptr;
};

// Not thread-safe, except Cancel(), CutOff(), LimitWaits() and backend_pid(), which any thread may
// call while the connection lives.
class Connection {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Connection>> Open(
      const ConnectionOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement with parameters ($1, $2, ...).
  template <typename... Params>
  [[nodiscard]] absl::StatusOr<Result> Query(std::string_view sql, const Params&... params) {
    const std::vector<Param> list{Param(params)...};
    return QueryList(sql, list);
  }
  [[nodiscard]] absl::StatusOr<Result> QueryList(std::string_view sql,
                                                 const std::vector<Param>& params);

  // Sends any number of statements as one message (simple protocol) and returns one result each.
  // Stops at the first error. The whole message is one transaction unless it contains BEGIN/COMMIT
  // itself.
  [[nodiscard]] absl::StatusOr<std::vector<Result>> Script(const std::string& sql);
  // How many statements of the last Script() succeeded: the next one is the one that failed.
  int completed_statements() const { return completed_statements_; }

  // Several statements in one network round trip (libpq pipeline mode). They are separate
  // statements of the open transaction; the first error aborts the rest and is returned.
  struct Statement {
    std::string sql;
    std::vector<Param> params;
  };
  [[nodiscard]] absl::StatusOr<std::vector<Result>> Pipeline(
      const std::vector<Statement>& statements);

  // COPY ... FROM STDIN in text format. `lines` is already escaped (see CopyField), each ending in
  // '\n'.
  [[nodiscard]] absl::StatusOr<std::int64_t> CopyIn(std::string_view copy_sql,
                                                    std::string_view lines);

  // Ends the open transaction with COMMIT. ABORTED (TRANSACTION_FAILED) when the server rolled it
  // back instead, which is what COMMIT does after an error that the program ignored.
  [[nodiscard]] absl::Status Commit();

  // Every wait for an answer of the server ends at this time at the latest; then the connection
  // counts as lost. Sending has no bound: it waits for a server that takes nothing. Default: never.
  void SetIoDeadline(absl::Time deadline) { io_deadline_ = deadline; }
  // The same from any thread and for good: also a wait that has begun ends then.
  void LimitWaits(absl::Time deadline) { wait_limit_us_ = absl::ToUnixMicros(deadline); }
  // Called after a message was handed to the network and before its answer is awaited: where fault
  // tests kill.
  void SetAfterSendHook(std::function<void()> hook) { after_send_ = std::move(hook); }

  // Asks the server to end the running statement, over a short connection of its own. Thread-safe;
  // waits at most `wait` for the server to have been told, and goes on trying after that.
  void Cancel(absl::Duration wait = absl::Seconds(1));
  // Closes the link at once, in the middle of whatever is under way: the server ends the session as
  // soon as it looks, and the thread that works on the connection finds it lost. Thread-safe.
  void CutOff();
  int backend_pid() const { return backend_pid_; }
  bool is_lost() const { return is_lost_; }
  // The open transaction has failed and only ROLLBACK is possible.
  bool is_in_failed_transaction() const;
  bool is_in_transaction() const;
  int server_version() const;  // 150018
  int socket() const;

  // Receives NOTICE and WARNING texts. Called on the thread that runs a statement.
  void SetNoticeHandler(std::function<void(std::string_view)> handler);

 private:
  struct Deleter {
    void operator()(pg_conn* connection) const;
  };
  struct StatementCache;

  Connection();
  absl::Status Connect(const ConnectionOptions& options);
  // Waits until libpq has connected; what went wrong is libpq's to say.
  absl::Status AwaitConnected(absl::Time deadline, const std::atomic<bool>* give_up);
  // The next result of what was sent; nullptr when there is none left.
  absl::StatusOr<pg_result*> NextResult();
  // False when no input came in time.
  bool AwaitInput();
  absl::StatusOr<Result> OnlyResult();
  absl::Status AfterSend(int sent);
  absl::Status Lost(std::string_view what);
  absl::StatusOr<const std::string*> PreparedName(const std::string& sql);

  std::unique_ptr<pg_conn, Deleter> connection_;
  std::unique_ptr<CancelRequest> cancel_;
  std::unique_ptr<StatementCache> prepared_;  // null when statements are not prepared
  std::function<void(std::string_view)> notice_handler_;
  std::function<void()> after_send_;
  absl::Time io_deadline_ = absl::InfiniteFuture();
  std::atomic<std::int64_t> wait_limit_us_ = std::numeric_limits<std::int64_t>::max();
  int backend_pid_ = 0;
  // A name of our own for the socket: libpq may close its own at any time, and the number then
  // belongs to somebody else.
  int cut_off_socket_ = -1;
  int completed_statements_ = 0;
  bool is_lost_ = false;
};

// One field of a CopyIn line; nullopt becomes \N. Join fields with '\t', end the line with '\n'.
void AppendCopyField(std::string& line, const std::optional<std::string>& value);

// Quotes an identifier or a literal for SQL that cannot take parameters (DDL of the migration
// engine).
[[nodiscard]] std::string QuoteIdentifier(std::string_view name);
[[nodiscard]] std::string QuoteLiteral(std::string_view text);

}  // namespace lockstep::pg
