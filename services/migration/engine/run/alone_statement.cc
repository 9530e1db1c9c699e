#include "services/migration/engine/run/alone_statement.h"

#include "absl/strings/str_format.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/connection.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {

using killpoint::Killpoint;

namespace {

// For the session: the statement has no transaction. ResetSession takes it back.
std::string SearchPathSql(const Revision& revision) {
  std::string sql = EnterLegacySql(revision);
  if (!sql.empty()) sql.erase(sql.find(" LOCAL"), sizeof(" LOCAL") - 1);
  return sql;
}

}  // namespace

Limits AloneStatement::Unlimited() const {
  return {.lock_timeout_ms = 0,
          .statement_timeout_ms = 0,
          .retry_for_seconds = task_.step.limits.retry_for_seconds};
}

Limits AloneStatement::LongWork() const {
  Limits limits = task_.step.limits;
  limits.statement_timeout_ms = 0;
  return limits;
}

absl::Status AloneStatement::SendOnce(const std::string& statement, const Limits& limits) {
  RETURN_IF_ERROR(MayGoOn(session_));
  pg::Connection& connection = session_.connection;
  const auto ready = connection.Script(
      AssertLeaseSql(session_.key) +
      absl::StrFormat("SET lock_timeout = %d; SET statement_timeout = %d; SET ROLE %s;",
                      limits.lock_timeout_ms, limits.statement_timeout_ms,
                      pg::QuoteIdentifier(OwnerRole(task_.revision.service))) +
      SearchPathSql(task_.revision));
  if (!ready.ok()) return TranslateLedgerError(ready.status());
  Killpoint("concurrent_before_send");
  connection.SetAfterSendHook([] { Killpoint("concurrent_sent"); });
  const absl::Status sent = connection.Query(statement).status();
  connection.SetAfterSendHook({});
  if (connection.is_lost()) return sent;
  Killpoint("concurrent_done");
  const absl::Status reset = ResetSession(connection);
  return sent.ok() ? reset : sent;
}

absl::Status AloneStatement::Send(const std::string& statement, const Limits& limits) {
  return Patiently([&] { return SendOnce(statement, limits); });
}

absl::Status AloneStatement::SendPolitely(const std::string& statement, Preflight& preflight) {
  return Patiently([&] { return SendOnce(statement, preflight.limits()); }, &preflight);
}

absl::Status AloneStatement::Patiently(absl::FunctionRef<absl::Status()> attempt,
                                       Preflight* preflight) {
  const absl::Status status =
      RetryOnLocks(session_, task_, session_.connection, attempt, preflight);
  const bool is_servers = !pg::SqlStateOf(status).empty() && ReasonOf(status) != "STEP_BLOCKED";
  if (status.ok() || session_.connection.is_lost() || !is_servers) return status;
  return ScriptError("STEP_FAILED", task_.text() + " failed at " + task_.script.file, status);
}

}  // namespace lockstep::migration
