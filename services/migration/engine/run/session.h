// Connections of the engine: straight to PostgreSQL, with fixed settings, and known to the ledger
// while they may change something.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

// What makes a runner the runner. Token and holder are the key that a take-over changes.
struct LeaseKey {
  std::int64_t token = 0;
  std::string holder;
};

// The search_path of every session and step: nothing but built-ins is found without its schema.
inline constexpr char kSearchPath[] = "pg_catalog, pg_temp";

// Name of the connections that change nothing, or not yet.
inline constexpr char kReaderPurpose[] = "reader";

// Name of the runner connection that only administrators may end.
inline constexpr char kAdministratorPurpose[] = "administrator";

// FROM items: the recorded connections (s) that the server still has (a). It may hide when a
// connection of another role began; such a one counts as alive.
inline constexpr char kLiveSessions[] =
    "migration.runner_sessions AS s JOIN pg_stat_activity AS a ON a.pid = s.pid"
    " AND (a.backend_start = s.backend_start OR a.backend_start IS NULL)";

// SQL condition: the runner with `token` (an SQL expression) recorded its main connection, and it
// is gone. A runner never reconnects, so it is finished and its lease need not run out.
std::string RunnerIsGoneSql(std::string_view token);

// "SELECT migration.assert_lease(...);\n"
std::string AssertLeaseSql(const LeaseKey& key);

// What the ledger says is applied, as it was read (ReadLedger(), ledger.h).
using LedgerRows = absl::StatusOr<std::vector<pg::Result>>;

// A connection for reading, and the ledger where it was read ahead.
struct ReaderSession {
  std::unique_ptr<pg::Connection> connection;
  std::optional<LedgerRows> ledger = std::nullopt;
};

// A reading connection that a thread opens, and on which it reads the ledger, while its owner does
// something else, like reading the definitions. The destructor waits for that thread, at most
// connect_timeout and the time that reading takes. Thread-safe.
class SessionAhead {
 public:
  explicit SessionAhead(const EngineOptions& options);

  // The connection, or why there is none; null when it was taken before or leads elsewhere.
  absl::StatusOr<ReaderSession> Take(std::string_view database_url);

 private:
  const std::string database_url_;
  std::mutex mutex_;
  std::future<absl::StatusOr<ReaderSession>> opened_;
};

// The one that was opened ahead, or a new one.
absl::StatusOr<ReaderSession> OpenReader(const EngineOptions& options);

// A connection for reading the ledger, or on the way to the lease.
absl::StatusOr<std::unique_ptr<pg::Connection>> OpenSession(const EngineOptions& options,
                                                            std::string_view purpose);

// The same to a ledger that this engine knows, ending its statements with the caller.
// LEDGER_MISSING and such (CheckLedger).
absl::StatusOr<std::unique_ptr<pg::Connection>> OpenLedgerSession(const EngineOptions& options,
                                                                  const Context& context);

// A connection that may change something: records itself (pid, backend start) in a transaction that
// checks the lease, so that a successor can end it. LEASE_LOST.
absl::StatusOr<std::unique_ptr<pg::Connection>> OpenRunnerSession(const EngineOptions& options,
                                                                  const LeaseKey& key,
                                                                  std::string_view purpose);

// The same as the administrator. REQUIRES: options.admin_url is set.
absl::StatusOr<std::unique_ptr<pg::Connection>> OpenAdministratorSession(
    const EngineOptions& options, const LeaseKey& key);

// Brings every setting of a session back to what it was when it was opened.
absl::Status ResetSession(pg::Connection& connection);

// LEDGER_MISSING, LEDGER_OUTDATED, LEDGER_TOO_NEW, or OK.
absl::Status CheckLedger(pg::Connection& connection);

// Turns what assert_lease raised into LEASE_LOST; other statuses come back unchanged.
absl::Status TranslateLedgerError(const absl::Status& status);

// Waits, at most until the context ends; then its status.
absl::Status Sleep(const Context& context, absl::Duration duration);

// Runs `sql` as one message of its own; rolls back what a failed one left open.
absl::StatusOr<std::vector<pg::Result>> RunScript(pg::Connection& connection,
                                                  const std::string& sql);

}  // namespace lockstep::migration
