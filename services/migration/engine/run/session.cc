#include "services/migration/engine/run/session.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/ledger_schema.h"

namespace lockstep::migration {
namespace {

// A dead client's statement must not go on: the server looks for the client once a second. The
// limits are for the engine's own statements; steps set theirs.
constexpr char kSetup[] =
    "SET client_connection_check_interval = '1s'; SET lock_timeout = '2s'; SET statement_timeout "
    "= '60s'; "
    "SET idle_in_transaction_session_timeout = '5min'; SET search_path = pg_catalog, pg_temp; "
    "SET client_min_messages = warning; SET IntervalStyle = 'postgres';";

absl::StatusOr<std::unique_ptr<pg::Connection>> Open(const EngineOptions& options,
                                                     const std::string& url,
                                                     std::string_view purpose) {
  pg::ConnectionOptions connection;
  connection.database_url = url;
  connection.application_name = "lockstep-" + std::string(purpose);
  connection.connect_timeout = options.connect_timeout;
  connection.session_setup = kSetup;
  return pg::Connection::Open(connection);
}

absl::Status Register(pg::Connection& connection, const LeaseKey& key, std::string_view purpose) {
  return TranslateLedgerError(
      connection
          .Query("SELECT migration.register_session($1, $2, $3)", key.token, key.holder, purpose)
          .status());
}

}  // namespace

std::string RunnerIsGoneSql(std::string_view token) {
  const std::string of_runner =
      " WHERE s.token = " + std::string(token) + " AND s.purpose = 'runner')";
  return "(EXISTS (SELECT FROM migration.runner_sessions AS s" + of_runner +
         " AND NOT EXISTS (SELECT FROM " + kLiveSessions + of_runner + ")";
}

std::string AssertLeaseSql(const LeaseKey& key) {
  return absl::StrFormat("SELECT migration.assert_lease(%d, %s);\n", key.token,
                         pg::QuoteLiteral(key.holder));
}

SessionAhead::SessionAhead(const EngineOptions& options)
    : database_url_(options.database_url),
      opened_(std::async(std::launch::async, [options]() -> absl::StatusOr<ReaderSession> {
        ASSIGN_OR_RETURN(auto connection, Open(options, options.database_url, kReaderPurpose));
        LedgerRows ledger = ReadLedger(*connection);
        return ReaderSession{.connection = std::move(connection), .ledger = std::move(ledger)};
      })) {}

absl::StatusOr<ReaderSession> SessionAhead::Take(std::string_view database_url) {
  const std::lock_guard lock(mutex_);
  if (!opened_.valid() || database_url != database_url_) return ReaderSession{};
  return opened_.get();
}

absl::StatusOr<ReaderSession> OpenReader(const EngineOptions& options) {
  if (options.session_ahead != nullptr) {
    ASSIGN_OR_RETURN(ReaderSession opened, options.session_ahead->Take(options.database_url));
    if (opened.connection != nullptr) return opened;
  }
  ASSIGN_OR_RETURN(auto connection, Open(options, options.database_url, kReaderPurpose));
  return ReaderSession{.connection = std::move(connection)};
}

absl::StatusOr<std::unique_ptr<pg::Connection>> OpenSession(const EngineOptions& options,
                                                            std::string_view purpose) {
  if (purpose != kReaderPurpose) return Open(options, options.database_url, purpose);
  ASSIGN_OR_RETURN(ReaderSession reader, OpenReader(options));
  return std::move(reader.connection);
}

absl::StatusOr<std::unique_ptr<pg::Connection>> OpenLedgerSession(const EngineOptions& options,
                                                                  const Context& context) {
  RETURN_IF_ERROR(context.Check());
  ASSIGN_OR_RETURN(auto connection, OpenSession(options, kReaderPurpose));
  connection->SetIoDeadline(context.deadline());
  RETURN_IF_ERROR(CheckLedger(*connection));
  return connection;
}

absl::StatusOr<std::unique_ptr<pg::Connection>> OpenRunnerSession(const EngineOptions& options,
                                                                  const LeaseKey& key,
                                                                  std::string_view purpose) {
  ASSIGN_OR_RETURN(auto connection, Open(options, options.database_url, purpose));
  RETURN_IF_ERROR(Register(*connection, key, purpose));
  return connection;
}

absl::StatusOr<std::unique_ptr<pg::Connection>> OpenAdministratorSession(
    const EngineOptions& options, const LeaseKey& key) {
  ASSIGN_OR_RETURN(auto connection, Open(options, options.admin_url, kAdministratorPurpose));
  RETURN_IF_ERROR(Register(*connection, key, kAdministratorPurpose));
  return connection;
}

absl::Status ResetSession(pg::Connection& connection) {
  return connection
      .Script(
          std::string("RESET ROLE; RESET ALL; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; ") +
          kSetup)
      .status();
}

absl::Status CheckLedger(pg::Connection& connection) {
  auto result = connection.Query("SELECT max(version) AS version FROM migration.ledger_version");
  if (!result.ok()) {
    const std::string state = pg::SqlStateOf(result.status());
    if (state == "42P01" || state == "3F000") {
      return Error(absl::StatusCode::kFailedPrecondition, "LEDGER_MISSING",
                   "the database has no ledger; run: lockstep bootstrap");
    }
    return result.status();
  }
  const int version = (*result)[0].Optional<std::int32_t>("version").value_or(0);
  if (version < LedgerVersion()) {
    return Error(absl::StatusCode::kFailedPrecondition, "LEDGER_OUTDATED",
                 "the ledger is older than this program; run: lockstep bootstrap")
        .With("ledger_version", version);
  }
  if (version > LedgerVersion()) {
    return Error(absl::StatusCode::kFailedPrecondition, "LEDGER_TOO_NEW",
                 "the ledger was made by a newer program; use that one")
        .With("ledger_version", version);
  }
  return absl::OkStatus();
}

absl::Status TranslateLedgerError(const absl::Status& status) {
  const std::string state = pg::SqlStateOf(status);
  const auto diagnostics = pg::DiagnosticsOf(status);
  const std::string text = diagnostics.has_value() ? diagnostics->message : MessageOf(status);
  if (state == kLeaseLostState) {
    return Error(
        absl::StatusCode::kAborted, "LEASE_LOST",
        "this runner lost its lease and changed nothing more; another runner may be at work");
  }
  if (state == kTamperedState) {
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_TAMPERED", text);
  }
  if (state == kRequiredByInstanceState) {
    return Error(absl::StatusCode::kFailedPrecondition, "REQUIRED_BY_INSTANCE", text);
  }
  if (state == kGateChangedState) {
    return Error(absl::StatusCode::kAborted, "GATE_CHANGED", text);
  }
  return status;
}

absl::Status Sleep(const Context& context, absl::Duration duration) {
  const absl::Time end = absl::Now() + duration;
  while (true) {
    RETURN_IF_ERROR(context.Check());
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::OkStatus();
    // Short slices: a cancelled run should not sit out its back-off.
    std::this_thread::sleep_for(
        absl::ToChronoMilliseconds(std::min(left, absl::Milliseconds(20)) + absl::Milliseconds(1)));
  }
}

absl::StatusOr<std::vector<pg::Result>> RunScript(pg::Connection& connection,
                                                  const std::string& sql) {
  auto results = connection.Script(sql);
  if (!results.ok() && !connection.is_lost() && connection.is_in_transaction()) {
    const auto rolled_back = connection.Script("ROLLBACK");
    if (!rolled_back.ok()) return rolled_back.status();
  }
  return results;
}

}  // namespace lockstep::migration
