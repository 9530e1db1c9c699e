#include "services/migration/engine/run/freeze_ledger.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/lease.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kLongestReason = 1000;

// What holds runs; the planner of the database sees a handful of rows.
constexpr char kIsOpen[] = "f.lifted_at IS NULL AND f.ends_at > clock_timestamp()";

std::string SelectSql() {
  return std::string(
             "SELECT f.freeze_id, f.reason, f.actor, f.host, f.created_at, f.ends_at, f.lifted_at,"
             " f.lifted_by, ") +
         kIsOpen + " AS is_open FROM migration.freezes AS f";
}

Freeze FreezeFromRow(const pg::Row& row) {
  Freeze freeze;
  freeze.id = row.Text("freeze_id");
  freeze.reason = row.Text("reason");
  freeze.actor = row.Text("actor");
  freeze.host = row.Text("host");
  freeze.created_at = row.Get<absl::Time>("created_at");
  freeze.ends_at = row.Get<absl::Time>("ends_at");
  freeze.lifted_at = row.Optional<absl::Time>("lifted_at");
  freeze.lifted_by = row.Text("lifted_by");
  freeze.is_open = row.Get<bool>("is_open");
  return freeze;
}

std::vector<Freeze> FreezesFrom(const pg::Result& rows) {
  std::vector<Freeze> freezes;
  for (const pg::Row row : rows) freezes.push_back(FreezeFromRow(row));
  return freezes;
}

absl::StatusOr<Freeze> LoadFreeze(pg::Connection& connection, std::string_view id) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(SelectSql() + " WHERE f.freeze_id::text = lower($1)", id));
  if (!rows.empty()) return FreezeFromRow(rows[0]);
  return Error(absl::StatusCode::kNotFound, "FREEZE_NOT_FOUND", "the ledger has no such freeze")
      .With("freeze", id);
}

absl::Status CheckOptions(const FreezeOptions& freeze) {
  if (freeze.reason.empty()) {
    return InvalidField("freeze.reason", "REASON_REQUIRED", "say why runs are held");
  }
  if (freeze.reason.size() > kLongestReason) {
    return InvalidField("freeze.reason", "REASON_TOO_LONG", "at most 1,000 bytes");
  }
  if (freeze.ends_at.has_value() == freeze.lasts.has_value()) {
    return InvalidField("freeze.end_time", "FREEZE_END_REQUIRED",
                        "say until when, or for how long (ttl); one of the two");
  }
  return absl::OkStatus();
}

absl::Status EndOutOfRange(const FreezeOptions& freeze) {
  return InvalidField(
      freeze.lasts.has_value() ? "ttl" : "freeze.end_time", "FREEZE_END_OUT_OF_RANGE",
      "a freeze ends in the future by the database's clock, at most 366 days from now");
}

// Of a request that is repeated, the window that is there is the one that it asks for.
bool IsSame(const Freeze& there, const FreezeOptions& asked) {
  const absl::Time end =
      asked.ends_at.has_value() ? *asked.ends_at : there.created_at + *asked.lasts;
  const absl::Duration difference = there.ends_at - end;
  // The ledger keeps microseconds.
  return there.reason == asked.reason && difference < absl::Microseconds(1) &&
         difference > -absl::Microseconds(1);
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string Describe(const Freeze& freeze) {
  return "until " + TimeText(freeze.ends_at) + " by " + freeze.actor + ": " + freeze.reason;
}

absl::Status Frozen(const std::vector<Freeze>& open) {
  const Freeze& last = open.front();
  std::string others;
  if (open.size() > 1) {
    others = absl::StrFormat(" (and %d more that end before)", open.size() - 1);
  }
  return Error(absl::StatusCode::kFailedPrecondition, "FROZEN",
               "runs are held " + Describe(last) + others +
                   "; wait until then, lift it with: lockstep freeze --lift " + last.id +
                   ", or go on in spite of it with: --force-freeze REASON (upgrade, downgrade)")
      .With("freeze", std::string_view(last.id))
      .With("until", std::string_view(TimeText(last.ends_at)))
      .With("actor", std::string_view(last.actor))
      .With("freeze_reason", std::string_view(last.reason));
}

}  // namespace

absl::StatusOr<Freeze> RecordFreeze(pg::Connection& connection, const EngineOptions& options,
                                    const FreezeOptions& freeze) {
  RETURN_IF_ERROR(CheckOptions(freeze));
  // Before it goes into SQL: neither number nor time overflows there.
  if (freeze.lasts.has_value() &&
      (*freeze.lasts < absl::Seconds(1) || *freeze.lasts > kLongestFreeze)) {
    return EndOutOfRange(freeze);
  }
  const std::string id = freeze.id.empty() ? NewUuid() : freeze.id;
  std::optional<std::int64_t> lasts_us;
  if (freeze.lasts.has_value()) lasts_us = absl::ToInt64Microseconds(*freeze.lasts);
  ASSIGN_OR_RETURN(
      pg::Result inserted,
      connection.Query(
          "INSERT INTO migration.freezes (freeze_id, reason, actor, host, created_at, ends_at)"
          " SELECT $1::uuid, $2, $3, $4, c.now, e.ends_at"
          "   FROM (SELECT clock_timestamp() AS now) AS c"
          "  CROSS JOIN LATERAL (SELECT coalesce($5::timestamptz,"
          "     c.now + $6::bigint * interval '1 microsecond') AS ends_at) AS e"
          "  WHERE e.ends_at > c.now AND e.ends_at <= c.now + interval '366 days'"
          " ON CONFLICT (freeze_id) DO NOTHING",
          id, freeze.reason, ActorOf(options), HostName(), freeze.ends_at, lasts_us));
  auto there = LoadFreeze(connection, id);
  if (inserted.affected() == 1) return there;
  if (ReasonOf(there.status()) == "FREEZE_NOT_FOUND") return EndOutOfRange(freeze);
  RETURN_IF_ERROR(there.status());
  if (IsSame(*there, freeze)) return there;
  return Error(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
               "this request_id belongs to another request")
      .Field("request_id", "use a new UUID for a new request");
}

absl::StatusOr<Freeze> EndFreeze(pg::Connection& connection, const EngineOptions& options,
                                 std::string_view id) {
  RETURN_IF_ERROR(
      connection
          .Query(std::string("UPDATE migration.freezes AS f SET lifted_at = clock_timestamp(),"
                             " lifted_by = $2 WHERE f.freeze_id::text = lower($1) AND ") +
                     kIsOpen,
                 id, ActorOf(options))
          .status());
  return LoadFreeze(connection, id);
}

absl::StatusOr<std::vector<Freeze>> LoadFreezes(pg::Connection& connection, int limit,
                                                std::string_view before) {
  std::string sql = SelectSql();
  std::vector<pg::Param> params;
  if (!before.empty()) {
    ASSIGN_OR_RETURN(const Freeze last, LoadFreeze(connection, before));
    sql +=
        " WHERE f.created_order < (SELECT created_order FROM migration.freezes"
        " WHERE freeze_id = $1::uuid)";
    params.emplace_back(last.id);
  }
  sql += " ORDER BY f.created_order DESC LIMIT " + std::to_string(std::max(limit, 0));
  ASSIGN_OR_RETURN(pg::Result rows, connection.QueryList(sql, params));
  return FreezesFrom(rows);
}

absl::StatusOr<std::vector<Freeze>> LoadOpenFreezes(pg::Connection& connection) {
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(SelectSql() + " WHERE " + kIsOpen +
                                                     " ORDER BY f.ends_at DESC, f.created_order"));
  return FreezesFrom(rows);
}

absl::Status MayRunNow(pg::Connection& connection, std::string_view force_freeze) {
  if (!force_freeze.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<Freeze> open, LoadOpenFreezes(connection));
  return open.empty() ? absl::OkStatus() : Frozen(open);
}

absl::Status MayBegin(RunSession& session) {
  RETURN_IF_ERROR(MayGoOn(session));
  // Before every step, so as cheaply as can be asked: mostly nothing is open, and a thousand small
  // steps are done in seconds.
  const absl::Time now = absl::Now();
  if (now - session.freezes_asked_at < kFreezeSeenWithin) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::vector<pg::Result> asked,
      session.connection.Script(std::string("SELECT FROM migration.freezes AS f WHERE ") + kIsOpen +
                                " LIMIT 1"));
  std::vector<Freeze> open;
  if (!asked.back().empty()) {
    ASSIGN_OR_RETURN(open, LoadOpenFreezes(session.connection));
  }
  if (!open.empty() && session.force_freeze.empty()) return Frozen(open);
  for (const Freeze& freeze : open) {
    if (!session.forced_freezes.insert(freeze.id).second) continue;
    Happening forced{.kind = "freeze_forced",
                     .message = "goes on in spite of the freeze " + Describe(freeze) +
                                "; forced by " + ActorOf(session.options) + ": " +
                                session.force_freeze};
    forced.details =
        JsonObject(nlohmann::json{{"freeze", freeze.id}, {"reason", session.force_freeze}});
    session.journal.Emit(std::move(forced));
  }
  session.freezes_asked_at = now;
  return absl::OkStatus();
}

}  // namespace lockstep::migration
