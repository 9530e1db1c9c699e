#include "services/migration/engine/run/lock_holders.h"

#include <array>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/lock_reach.h"

namespace lockstep::migration {
namespace {

// Most of the time nobody holds anything, and the full question costs milliseconds.
constexpr char kAnybody[] =
    "SELECT EXISTS (SELECT FROM pg_locks AS l WHERE l.locktype = 'relation' AND l.granted"
    "   AND l.relation >= 16384 AND l.pid IS DISTINCT FROM pg_backend_pid()"
    "   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    " AS has_any";

constexpr char kHolding[] = R"(
SELECT coalesce(l.pid, 0) AS pid, min(n.nspname || '.' || c.relname) AS relation,
       coalesce(min(CASE WHEN l.pid IS NULL THEN
           (SELECT x.transactionid::text FROM pg_locks AS x
             WHERE x.locktype = 'transactionid' AND x.pid IS NULL
               AND x.virtualtransaction = l.virtualtransaction LIMIT 1) END), '') AS xid
  FROM pg_locks AS l
  JOIN wanted AS w ON w.oid = l.relation
  JOIN pg_class AS c ON c.oid = l.relation
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.mode = ANY (w.modes::text[])
 GROUP BY l.pid, l.virtualtransaction
)";

constexpr char kSessions[] =
    "SELECT p.pid, coalesce(a.usename::text, '') AS usename,"
    "       coalesce(a.application_name, '') AS application_name,"
    "       coalesce(a.state, '') AS state, coalesce(left(a.query, 500), '') AS query,"
    "       coalesce(right(a.query, 100), '') AS query_end,"
    "       coalesce(a.backend_type, '') AS backend_type,"
    "       coalesce(a.xact_start::text, '') AS began,"
    "       (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint AS age_ms,"
    "       coalesce((extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::bigint, 0)"
    "         AS in_state_ms"
    "  FROM unnest($1::integer[]) AS p (pid) LEFT JOIN pg_stat_activity AS a ON a.pid = p.pid"
    " ORDER BY p.pid";

constexpr char kPrepared[] =
    "SELECT x.transaction::text AS xid, x.gid, x.owner::text AS owner, x.prepared::text AS began,"
    "       (extract(epoch FROM clock_timestamp() - x.prepared) * 1000)::bigint AS age_ms"
    "  FROM pg_prepared_xacts AS x WHERE x.transaction::text = ANY ($1::text[]) ORDER BY x.gid";

// What was found of a holder before the server is asked who it is.
struct Found {
  std::map<int, std::string> relation_by_pid;
  std::map<std::string, std::string> relation_by_xid;
};

absl::Status AddPrepared(pg::Connection& connection, const Found& found,
                         std::vector<LockHolder>& holders) {
  std::vector<std::string> xids;
  for (const auto& entry : found.relation_by_xid) xids.push_back(entry.first);
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kPrepared, pg::ArrayLiteral(xids)));
  for (const pg::Row row : rows) {
    holders.push_back({.pid = 0,
                       .kind = HolderKind::kPreparedTransaction,
                       .user = row.Text("owner"),
                       .application = "",
                       .state = "prepared",
                       .query = row.Text("gid"),
                       .began = row.Text("began"),
                       .age = absl::Milliseconds(row.Get<std::int64_t>("age_ms")),
                       .relation = found.relation_by_xid.at(row.Text("xid"))});
  }
  return absl::OkStatus();
}

LockHolder HolderOf(const pg::Row& row) {
  LockHolder holder;
  holder.pid = row.Get<std::int32_t>("pid");
  holder.user = row.Text("usename");
  holder.application = row.Text("application_name");
  holder.state = row.Text("state");
  holder.query = row.Text("query");
  holder.began = row.Text("began");
  if (const auto age = row.Optional<std::int64_t>("age_ms"); age.has_value()) {
    holder.age = absl::Milliseconds(*age);
  }
  const std::string backend_type = row.Text("backend_type");
  const std::string query_end = row.Text("query_end");
  holder.kind = KindOf({.backend_type = backend_type,
                        .application = holder.application,
                        .state = holder.state,
                        .query = query_end,
                        .in_state = absl::Milliseconds(row.Get<std::int64_t>("in_state_ms"))});
  return holder;
}

absl::StatusOr<std::vector<LockHolder>> Describe(pg::Connection& connection, const Found& found) {
  std::vector<LockHolder> holders;
  if (!found.relation_by_pid.empty()) {
    std::vector<std::string> pids;
    for (const auto& entry : found.relation_by_pid) pids.push_back(std::to_string(entry.first));
    ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kSessions, pg::ArrayLiteral(pids)));
    for (const pg::Row row : rows) {
      LockHolder& holder = holders.emplace_back(HolderOf(row));
      holder.relation = found.relation_by_pid.at(holder.pid);
    }
  }
  if (!found.relation_by_xid.empty()) RETURN_IF_ERROR(AddPrepared(connection, found, holders));
  return holders;
}

// '{AccessShareLock,...}': what keeps a lock of this mode waiting.
std::string ConflictingModes(LockMode wanted) {
  std::string modes;
  for (int held = 1; held <= static_cast<int>(LockMode::kAccessExclusive); ++held) {
    const auto mode = static_cast<LockMode>(held);
    if (!Conflicts(mode, wanted)) continue;
    modes += (modes.empty() ? "{" : ",") + std::string(PgLocksName(mode));
  }
  return modes.empty() ? "{}" : modes + "}";
}

}  // namespace

std::string LockHolder::text() const {
  const std::string seconds =
      age.has_value() ? absl::StrFormat(" for %d s", absl::ToInt64Seconds(*age)) : "";
  if (kind == HolderKind::kPreparedTransaction) {
    return absl::StrFormat("prepared transaction %s (%s, prepared%s)", query, user, seconds);
  }
  const bool says_more = kind != HolderKind::kOrdinary && kind != HolderKind::kIdleInTransaction;
  return absl::StrFormat("pid %d (%s, %s, %s%s%s): %s", pid, user, application,
                         says_more ? std::string(ToText(kind)) + ", " : "", state, seconds, query);
}

std::string LockHolder::advice() const {
  switch (kind) {
    case HolderKind::kIdleInTransaction:
      return absl::StrFormat(
          "let its client commit, or end it: SELECT pg_terminate_backend(%d) "
          "(--cancel-blockers idle_in_transaction)",
          pid);
    case HolderKind::kDump:
      return "let the dump end, or run again after it (--cancel-blockers dump breaks it off)";
    case HolderKind::kVacuum:
      return "it makes way by itself";
    case HolderKind::kWraparoundVacuum:
      return "let it end: the server needs it soon (--cancel-blockers wraparound_vacuum breaks it "
             "off, and it begins anew)";
    case HolderKind::kWalsender:
      return "let the replication or backup come past its start";
    case HolderKind::kPreparedTransaction:
      return absl::StrFormat(
          "its coordinator has to decide: COMMIT PREPARED or ROLLBACK PREPARED %s",
          pg::QuoteLiteral(query));
    case HolderKind::kOrdinary:
      break;
  }
  return absl::StrFormat(
      "let it end, or break it off: SELECT pg_cancel_backend(%d) (--cancel-blockers ordinary)",
      pid);
}

std::string LockHolder::key() const {
  return kind == HolderKind::kPreparedTransaction ? "x" + query : std::to_string(pid) + " " + began;
}

nlohmann::json ToJson(const std::vector<LockHolder>& holders) {
  auto list = nlohmann::json::array();
  for (const LockHolder& holder : holders) {
    nlohmann::json entry = {{"pid", holder.pid},     {"kind", std::string(ToText(holder.kind))},
                            {"user", holder.user},   {"application", holder.application},
                            {"state", holder.state}, {"query", holder.query}};
    if (holder.age.has_value()) entry["age_seconds"] = absl::ToInt64Seconds(*holder.age);
    if (!holder.relation.empty()) entry["relation"] = holder.relation;
    list.push_back(std::move(entry));
  }
  return list;
}

absl::StatusOr<std::vector<LockHolder>> HoldersInTheWayOf(pg::Connection& connection, int pid) {
  // Prepared transactions have pid 0 here and no name; which one it is only the locks tell.
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT DISTINCT unnest(pg_blocking_pids($1)) AS pid", pid));
  Found found;
  for (const pg::Row row : rows) found.relation_by_pid[row.Get<std::int32_t>("pid")] = "";
  const bool has_prepared = found.relation_by_pid.erase(0) > 0;
  ASSIGN_OR_RETURN(std::vector<LockHolder> holders, Describe(connection, found));
  if (has_prepared) {
    LockHolder& prepared = holders.emplace_back();
    prepared.kind = HolderKind::kPreparedTransaction;
    prepared.state = "prepared";
  }
  return holders;
}

absl::StatusOr<std::vector<LockHolder>> HoldersAgainst(pg::Connection& connection,
                                                       const std::vector<RelationLock>& wanted) {
  if (wanted.empty()) return std::vector<LockHolder>();
  ASSIGN_OR_RETURN(pg::Result anybody, connection.Query(kAnybody));
  if (!anybody[0].Get<bool>("has_any")) return std::vector<LockHolder>();
  const std::array<std::string, 5> wish = WantedArrays(wanted, ConflictingModes);
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(std::string(kWantedRelations) + kHolding,
                                                     wish[0], wish[1], wish[2], wish[3], wish[4]));
  Found found;
  for (const pg::Row row : rows) {
    const int pid = row.Get<std::int32_t>("pid");
    if (pid != 0) found.relation_by_pid[pid] = row.Text("relation");
    if (pid == 0) found.relation_by_xid[row.Text("xid")] = row.Text("relation");
  }
  return Describe(connection, found);
}

}  // namespace lockstep::migration
