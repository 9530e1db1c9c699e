#include "services/migration/engine/run/lease.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kPredecessorEnds = absl::Seconds(60);

struct Seen {
  std::int64_t token = 0;
  bool is_free = false;  // given back, or run out
  bool was_given_back = false;
  std::string who;
};

absl::StatusOr<Seen> Look(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result result,
      connection.Query("SELECT token, actor, host, coalesce(run_id::text, '') AS run_id,"
                       "       expires_at <= clock_timestamp() AS is_free,"
                       "       expires_at = '-infinity' AS was_given_back"
                       "  FROM migration.lease WHERE id = 1"));
  if (result.empty()) {
    return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN", "the lease row is missing");
  }
  const pg::Row row = result[0];
  return Seen{.token = row.Get<std::int64_t>("token"),
              .is_free = row.Get<bool>("is_free"),
              .was_given_back = row.Get<bool>("was_given_back"),
              .who = row.Text("actor") + " on " + row.Text("host") + ", run " + row.Text("run_id")};
}

// Renews a lease while its new holder waits for what the one before left behind: nothing else does
// so yet, and the wait may be longer than the lease.
class Renewal {
 public:
  Renewal(pg::Connection& connection, const LeaseKey& key, absl::Duration ttl)
      : connection_(connection), key_(key), ttl_(ttl) {}

  // Renews when it is time to. LEASE_LOST.
  absl::Status Keep() {
    if (absl::Now() < next_) return absl::OkStatus();
    next_ = absl::Now() + ttl_ / 3;
    ASSIGN_OR_RETURN(const bool is_mine, RenewLease(connection_, key_, ttl_));
    if (is_mine) return absl::OkStatus();
    return Error(absl::StatusCode::kAborted, "LEASE_LOST",
                 "another runner took the lease over before this one changed anything");
  }

 private:
  pg::Connection& connection_;
  const LeaseKey& key_;
  const absl::Duration ttl_;
  absl::Time next_ = absl::InfinitePast();
};

// Ends the connections that runners with a token below `mine` recorded, and waits until the server
// has let them go. Never those of a higher token: whoever has one overtook this runner, which may
// have been stopped for any time before it came here. The administrator's are ended through his own
// connection, since only a superuser may. `renewal` is null before the lease is taken.
absl::Status EndOlderSessions(const Context& context, const EngineOptions& options,
                              pg::Connection& connection, std::int64_t mine, Renewal* renewal) {
  const std::string alive_sql = std::string(" FROM ") + kLiveSessions + " WHERE s.token < $1";
  const absl::Time give_up = std::min(absl::Now() + kPredecessorEnds, context.deadline());
  bool asked_administrator = false;
  while (true) {
    if (renewal != nullptr) RETURN_IF_ERROR(renewal->Keep());
    ASSIGN_OR_RETURN(pg::Result alive,
                     connection.Query("SELECT s.pid, s.purpose" + alive_sql, mine));
    if (alive.empty()) break;
    RETURN_IF_ERROR(
        connection
            .Query("SELECT pg_terminate_backend(s.pid)" + alive_sql + " AND s.purpose <> $2", mine,
                   kAdministratorPurpose)
            .status());
    for (const pg::Row row : alive) {
      if (row.Text("purpose") != kAdministratorPurpose || options.admin_url.empty() ||
          asked_administrator) {
        continue;
      }
      pg::ConnectionOptions admin;
      admin.database_url = options.admin_url;
      admin.application_name = "lockstep-administrator";
      admin.connect_timeout = options.connect_timeout;
      ASSIGN_OR_RETURN(auto administrator, pg::Connection::Open(admin));
      RETURN_IF_ERROR(
          administrator->Query("SELECT pg_terminate_backend($1)", row.Get<std::int32_t>("pid"))
              .status());
      asked_administrator = true;
    }
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "PREDECESSOR_ALIVE",
                   "a connection of the runner before this one does not end")
          .With("pid", alive[0].Get<std::int32_t>("pid"))
          .With("purpose", std::string_view(alive[0].Text("purpose")));
    }
    RETURN_IF_ERROR(Sleep(context, absl::Milliseconds(20)));
  }
  return connection.Query("DELETE FROM migration.runner_sessions WHERE token < $1", mine).status();
}

// A runner whose recorded main connection is gone is finished: it never reconnects. So its lease
// need not run out.
absl::Status ExpireDead(pg::Connection& connection, std::int64_t token) {
  return connection
      .Query(
          "UPDATE migration.lease AS l SET expires_at = clock_timestamp()"
          " WHERE id = 1 AND token = $1 AND expires_at > clock_timestamp() AND " +
              RunnerIsGoneSql("l.token"),
          token)
      .status();
}

// One try to become the holder.
struct Attempt {
  std::optional<LeaseKey> key = std::nullopt;
  // Not because somebody was faster: a transaction that no runner recorded holds the row.
  bool is_row_locked = false;
};
absl::StatusOr<Attempt> TryTake(const EngineOptions& options, pg::Connection& connection,
                                const std::string& run_id) {
  LeaseKey key;
  key.holder = NewUuid();
  // The run counts as running from the moment it has the lease: whoever takes the lease over from a
  // process that went away knows by that which run it was.
  auto results = RunScript(
      connection,
      absl::StrFormat(
          "BEGIN; SET LOCAL lock_timeout = '500ms';\n"
          "WITH taken AS (UPDATE migration.lease SET token = token + 1, holder = %s, actor = %s,"
          " host = %s, run_id = %s, acquired_at = clock_timestamp(),"
          " heartbeat_at = clock_timestamp(),"
          " expires_at = clock_timestamp() + %d * interval '1 millisecond'"
          " WHERE id = 1 AND expires_at <= clock_timestamp() RETURNING token, run_id),\n"
          "marked AS (UPDATE migration.runs AS r SET state = 'running' FROM taken"
          " WHERE r.run_id = taken.run_id)\nSELECT token FROM taken;\nCOMMIT;",
          pg::QuoteLiteral(key.holder), pg::QuoteLiteral(ActorOf(options)),
          pg::QuoteLiteral(HostName()), pg::QuoteLiteral(run_id),
          absl::ToInt64Milliseconds(options.lease_ttl)));
  if (!results.ok()) {
    if (pg::SqlStateOf(results.status()) == "55P03") return Attempt{.is_row_locked = true};
    return results.status();
  }
  const pg::Result& updated = (*results)[2];
  if (updated.empty()) return Attempt{};
  key.token = updated[0].Get<std::int64_t>("token");
  return Attempt{.key = std::move(key)};
}

absl::Status TakeAdvisoryLock(const Context& context, pg::Connection& connection,
                              Renewal& renewal) {
  const absl::Time give_up = std::min(absl::Now() + kPredecessorEnds, context.deadline());
  while (true) {
    RETURN_IF_ERROR(renewal.Keep());
    // Polled: a session that waits inside pg_advisory_lock holds a snapshot, and CREATE INDEX
    // CONCURRENTLY waits for it.
    ASSIGN_OR_RETURN(pg::Result result, connection.Query("SELECT pg_try_advisory_lock($1) AS taken",
                                                         kRunnerAdvisoryLock));
    if (result[0].Get<bool>("taken")) return absl::OkStatus();
    if (absl::Now() > give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "PREDECESSOR_ALIVE",
                   "another session holds the runner's advisory lock");
    }
    RETURN_IF_ERROR(Sleep(context, kPoll));
  }
}

// What the run has told so far goes to the ledger without the lease: its log is its own.
absl::Status StoreEvents(pg::Connection& connection, Journal& journal) {
  std::int64_t up_to = 0;
  const std::string events = journal.PendingSql(up_to);
  if (events.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(RunScript(connection, events).status());
  journal.Stored(up_to);
  return absl::OkStatus();
}

// Waits a little for `whom`; LEASE_HELD when there was enough of that.
absl::Status WaitTurn(const Context& context, const std::string& whom, absl::Time give_up,
                      pg::Connection& connection, Journal& journal, bool& told) {
  if (!told) {
    journal.Emit({.kind = "waiting_for_lease", .message = whom});
    told = true;
  }
  RETURN_IF_ERROR(StoreEvents(connection, journal));
  if (absl::Now() > give_up) {
    return Error(absl::StatusCode::kFailedPrecondition, "LEASE_HELD", whom);
  }
  RETURN_IF_ERROR(
      connection
          .Query("UPDATE migration.runs SET touched_at = clock_timestamp()"
                 " WHERE run_id = $1 AND touched_at < clock_timestamp() - interval '10 seconds'",
                 journal.run_id())
          .status());
  return Sleep(context, kPoll);
}

}  // namespace

absl::StatusOr<LeaseKey> AcquireLease(const Context& context, const EngineOptions& options,
                                      pg::Connection& connection, Journal& journal) {
  const absl::Time give_up = absl::Now() + options.lease_wait;
  bool told = false;
  while (true) {
    RETURN_IF_ERROR(context.Check());
    ASSIGN_OR_RETURN(const Seen seen, Look(connection));
    if (!seen.is_free) {
      RETURN_IF_ERROR(ExpireDead(connection, seen.token));
      RETURN_IF_ERROR(WaitTurn(context, "another run is at work: " + seen.who, give_up, connection,
                               journal, told));
      continue;
    }
    // An expired lease cannot come back to life, so its connections may be ended before the
    // take-over: one of them may sit in a transaction that holds the lease row.
    if (!seen.was_given_back) {
      RETURN_IF_ERROR(EndOlderSessions(context, options, connection, seen.token + 1, nullptr));
    }
    ASSIGN_OR_RETURN(const Attempt attempt, TryTake(options, connection, journal.run_id()));
    if (attempt.is_row_locked) {
      RETURN_IF_ERROR(WaitTurn(context,
                               "a transaction that belongs to no recorded runner holds the row of "
                               "the lease; the last run was " +
                                   seen.who,
                               give_up, connection, journal, told));
    }
    if (!attempt.key.has_value()) continue;
    const LeaseKey& key = *attempt.key;
    Killpoint("lease_taken");
    // Again: a connection may have recorded itself just before the key changed; none can any more.
    Renewal renewal(connection, key, options.lease_ttl);
    RETURN_IF_ERROR(EndOlderSessions(context, options, connection, key.token, &renewal));
    RETURN_IF_ERROR(TakeAdvisoryLock(context, connection, renewal));
    RETURN_IF_ERROR(TranslateLedgerError(
        connection
            .Query("SELECT migration.register_session($1, $2, $3)", key.token, key.holder, "runner")
            .status()));
    if (!seen.was_given_back) {
      journal.Emit({.kind = "lease_taken_over",
                    .message = "took over from a runner that stopped renewing: " + seen.who});
    }
    Killpoint("lease_ready");
    return key;
  }
}

absl::StatusOr<bool> IsLeaseAbandoned(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result result,
      connection.Query("SELECT expires_at <> '-infinity' AND (expires_at <= clock_timestamp() OR " +
                       RunnerIsGoneSql("l.token") +
                       ") AS is_abandoned FROM migration.lease AS l WHERE id = 1"));
  return !result.empty() && result[0].Get<bool>("is_abandoned");
}

absl::StatusOr<bool> RenewLease(pg::Connection& connection, const LeaseKey& key,
                                absl::Duration ttl) {
  // Touches no key column, so it passes the lock of a running step. A lease that ran out stays
  // lost.
  ASSIGN_OR_RETURN(
      pg::Result renewed,
      connection.Query("UPDATE migration.lease SET heartbeat_at = clock_timestamp(),"
                       " expires_at = clock_timestamp() + $3 * interval '1 millisecond'"
                       " WHERE id = 1 AND token = $1 AND holder = $2 AND expires_at > "
                       "clock_timestamp()",
                       key.token, key.holder, absl::ToInt64Milliseconds(ttl)));
  return renewed.affected() == 1;
}

void ReleaseLease(pg::Connection& connection, const LeaseKey& key) {
  if (connection.is_lost()) return;
  const auto ignored = RunScript(
      connection, absl::StrFormat("BEGIN; DELETE FROM migration.runner_sessions WHERE token = %d;\n"
                                  "UPDATE migration.lease SET expires_at = '-infinity' WHERE id = "
                                  "1 AND token = %d AND holder = %s;\n"
                                  "COMMIT; SELECT pg_advisory_unlock_all();",
                                  key.token, key.token, pg::QuoteLiteral(key.holder)));
  static_cast<void>(ignored);
}

std::string HostName() {
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return name;
}

std::string ActorOf(const EngineOptions& options) {
  if (!options.actor.empty()) return options.actor;
  char buffer[4096];
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != nullptr) {
    return std::string(found->pw_name) + "@" + HostName();
  }
  return "uid " + std::to_string(getuid()) + "@" + HostName();
}

}  // namespace lockstep::migration
