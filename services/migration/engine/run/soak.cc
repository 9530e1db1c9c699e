#include "services/migration/engine/run/soak.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/dropped_objects.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/soak_use.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kLookAgain = absl::Milliseconds(200);

// What has to soak.
struct Soaking {
  std::vector<std::string> tables;  // "schema.table" of tables and views that are dropped whole
  bool has_rows = false;            // in them, or in a table that loses a column
};

struct Soakable {
  std::string quoted;  // "" = there is no such table or view
  bool has_rows_of_its_own = false;
};

absl::StatusOr<Soakable> FindSoakable(pg::Connection& connection, const std::string& name) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT format('%I.%I', n.nspname, c.relname) AS name,"
                                    "       c.relkind IN ('r', 'p', 'm') AS has_rows_of_its_own"
                                    "  FROM pg_class AS c"
                                    "  JOIN pg_namespace AS n ON n.oid = c.relnamespace"
                                    " WHERE n.nspname || '.' || c.relname = $1"
                                    "   AND c.relkind IN ('r', 'p', 'm', 'v', 'f')",
                                    name));
  if (rows.empty()) return Soakable();
  return Soakable{rows[0].Text("name"), rows[0].Get<bool>("has_rows_of_its_own")};
}

absl::StatusOr<bool> HasRows(RunSession& session, const Revision& revision,
                             const std::string& quoted) {
  // Counted at once, so that the soak does not take it for somebody else's use.
  ASSIGN_OR_RETURN(
      const auto results,
      RunScript(session.connection, "BEGIN;\n" + EnterRoleSql(OwnerRole(revision.service)) +
                                        "SELECT EXISTS (SELECT FROM " + quoted +
                                        ") AS has_rows;\nSELECT pg_stat_force_next_flush();\n"
                                        "COMMIT;"));
  return results[2][0].Get<bool>("has_rows");
}

absl::StatusOr<Soaking> FindSoaking(RunSession& session, const Revision& revision) {
  std::set<std::string> dropped;
  std::set<std::string> reduced;
  std::set<std::string> views;
  for (const Step& step : revision.steps) {
    const ObjectChanges changes = ReadObjectChanges(step.up);
    for (const DroppedObject& object : changes.dropped) {
      const std::string name = object.schema + "." + object.name;
      if (object.kind == DroppedObject::Kind::kColumn) reduced.insert(name);
      if (object.kind == DroppedObject::Kind::kRelation) dropped.insert(name);
      if (object.is_view) views.insert(name);
    }
    // A view that is made again, in this script or a later one, has only changed.
    for (const std::string& made : changes.made) {
      if (views.contains(made)) dropped.erase(made);
    }
  }
  Soaking soaking;
  for (const auto* tables : {&dropped, &reduced}) {
    for (const std::string& table : *tables) {
      if (!WasThere(session, table)) continue;
      ASSIGN_OR_RETURN(const Soakable there, FindSoakable(session.connection, table));
      if (there.quoted.empty()) continue;
      if (there.has_rows_of_its_own) {
        ASSIGN_OR_RETURN(const bool has_rows, HasRows(session, revision, there.quoted));
        if (!has_rows) continue;
      }
      soaking.has_rows = true;
      if (tables == &dropped) soaking.tables.push_back(table);
    }
  }
  return soaking;
}

// What takes the rights on the table away, and what gives them back.
struct Access {
  std::string take;
  nlohmann::json give_back = nlohmann::json::array();  // {"table", "sql"}
};

absl::Status AddAccess(pg::Connection& connection, const std::string& table, Access& access) {
  ASSIGN_OR_RETURN(const Soakable there, FindSoakable(connection, table));
  const std::string& quoted = there.quoted;
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT coalesce(quote_ident(r.rolname), 'PUBLIC') AS who, x.privilege, x.is_grantable,"
          "       x.part"
          "  FROM pg_class AS c"
          " CROSS JOIN LATERAL ("
          "       SELECT a.grantee, a.privilege_type AS privilege, a.is_grantable, '' AS part"
          "         FROM aclexplode(c.relacl) AS a"
          "        UNION ALL"
          "       SELECT a.grantee, a.privilege_type, a.is_grantable,"
          "              ' (' || quote_ident(t.attname) || ')'"
          "         FROM pg_attribute AS t CROSS JOIN LATERAL aclexplode(t.attacl) AS a"
          "        WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) AS x"
          "  LEFT JOIN pg_roles AS r ON r.oid = x.grantee"
          " WHERE c.oid = to_regclass($1) AND x.grantee <> c.relowner"
          " ORDER BY 1, 2, 4",
          quoted));
  std::set<std::string> losers;
  for (const pg::Row row : rows) {
    const std::string who = row.Text("who");
    losers.insert(who);
    access.give_back.push_back(
        {{"table", table},
         {"sql", "GRANT " + row.Text("privilege") + row.Text("part") + " ON " + quoted + " TO " +
                     who + (row.Get<bool>("is_grantable") ? " WITH GRANT OPTION" : "")}});
  }
  for (const std::string& who : losers) {
    access.take += "REVOKE ALL ON " + quoted + " FROM " + who + " CASCADE;\n";
  }
  return absl::OkStatus();
}

struct SoakRow {
  nlohmann::json watched;
  nlohmann::json snapshot;
  absl::Duration passed;
  bool is_met = false;
  bool ours_used = false;  // a step, verification or backup of ours ended since the snapshot
};

absl::StatusOr<std::optional<SoakRow>> LoadRow(pg::Connection& connection,
                                               const std::string& revision) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT s.watched::text AS watched, s.snapshot::text AS snapshot,"
          "       (extract(epoch FROM clock_timestamp() - s.started_at) * 1000)::bigint AS passed,"
          "       s.met_at IS NOT NULL AS is_met,"
          "       EXISTS (SELECT FROM migration.step_log AS l WHERE l.finished_at > s.snapshot_at)"
          "       OR EXISTS (SELECT FROM migration.verification_results AS v"
          "                   WHERE v.ran_at > s.snapshot_at)"
          "       OR EXISTS (SELECT FROM migration.backups AS b"
          "                   WHERE b.finished_at > s.snapshot_at) AS ours_used"
          "  FROM migration.soaks AS s WHERE s.revision = $1",
          revision));
  if (rows.empty()) return std::optional<SoakRow>();
  SoakRow row;
  row.watched = nlohmann::json::parse(rows[0].Text("watched"), nullptr, false);
  row.snapshot = nlohmann::json::parse(rows[0].Text("snapshot"), nullptr, false);
  row.passed = absl::Milliseconds(rows[0].Get<std::int64_t>("passed"));
  row.is_met = rows[0].Get<bool>("is_met");
  row.ours_used = rows[0].Get<bool>("ours_used");
  return std::optional<SoakRow>(std::move(row));
}

absl::Status Start(RunSession& session, const Revision& revision, const Soaking& soaking,
                   absl::Duration needs) {
  Access access;
  for (const std::string& table : soaking.tables) {
    RETURN_IF_ERROR(AddAccess(session.connection, table, access));
  }
  ASSIGN_OR_RETURN(const nlohmann::json snapshot, CountUse(session.connection, soaking.tables));
  Happening started{.kind = "soak_started",
                    .message = "revision " + revision.id + " soaks for " +
                               absl::FormatDuration(needs) +
                               (access.take.empty() ? "" : ": access to what it drops is revoked"),
                    .revision = revision.id};
  started.details = JsonObject(
      nlohmann::json{{"tables", soaking.tables}, {"seconds", absl::ToInt64Seconds(needs)}});
  return RecordInLedger(
      session, "",
      EnterRoleSql(OwnerRole(revision.service)) + access.take + "SET LOCAL ROLE NONE;\n" +
          "INSERT INTO migration.soaks (revision, service, give_back, watched, snapshot, run_id)"
          " VALUES (" +
          pg::QuoteLiteral(revision.id) + ", " + pg::QuoteLiteral(revision.service) + ", " +
          pg::QuoteLiteral(JsonText(access.give_back)) + ", " +
          pg::QuoteLiteral(JsonText(nlohmann::json(soaking.tables))) + ", " +
          pg::QuoteLiteral(JsonText(snapshot)) + ", " + session.sql.run + ");\n",
      {std::move(started)});
}

// Brings the snapshot up to date; starts the soak again when it was disturbed.
absl::Status Compare(RunSession& session, const Revision& revision, SoakRow& row) {
  std::vector<std::string> tables;
  for (const auto& table : row.watched) tables.push_back(table.get<std::string>());
  ASSIGN_OR_RETURN(nlohmann::json now, CountUse(session.connection, tables));
  if (row.snapshot == now) return absl::OkStatus();
  const std::string why = Disturbance(row.snapshot, now, row.ours_used);
  if (why.empty()) KeepStandbys(row.snapshot, now);
  std::string sql = "UPDATE migration.soaks SET snapshot = " + pg::QuoteLiteral(JsonText(now));
  // What moved the counters before this moment is accounted for.
  if (!why.empty() || now.value("uses", "") != row.snapshot.value("uses", "")) {
    sql += ", snapshot_at = clock_timestamp()";
  }
  std::vector<Happening> events;
  if (!why.empty()) {
    sql += ", started_at = clock_timestamp(), restarts = restarts + 1";
    row.passed = absl::ZeroDuration();
    Happening restarted{.kind = "soak_restarted",
                        .message = "the soak of revision " + revision.id + " starts again: " + why,
                        .revision = revision.id};
    restarted.details =
        JsonObject(nlohmann::json{{"why", why}, {"before", row.snapshot}, {"now", now}});
    events.push_back(std::move(restarted));
  }
  return RecordInLedger(session, "",
                        sql + " WHERE revision = " + pg::QuoteLiteral(revision.id) + ";\n",
                        std::move(events));
}

absl::Status Wait(RunSession& session, const Revision& revision, absl::Duration needs,
                  absl::Duration wait) {
  absl::Time give_up = absl::Now() + wait;
  while (true) {
    RETURN_IF_ERROR(MayGoOn(session));
    // A pause is no part of the wait.
    if (session.attendant.is_paused()) give_up += kLookAgain;
    ASSIGN_OR_RETURN(std::optional<SoakRow> row, LoadRow(session.connection, revision.id));
    if (!row.has_value() || row->is_met) return absl::OkStatus();
    RETURN_IF_ERROR(Compare(session, revision, *row));
    if (row->passed >= needs) {
      return RecordInLedger(session, "",
                            "UPDATE migration.soaks SET met_at = clock_timestamp() WHERE revision"
                            " = " +
                                pg::QuoteLiteral(revision.id) + ";\n",
                            {{.kind = "soak_ended",
                              .message = "revision " + revision.id + " has soaked",
                              .revision = revision.id}});
    }
    if (absl::Now() >= give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "GATE_CLOSED",
                   "revision " + revision.id + " soaks for another " +
                       absl::FormatDuration(absl::Ceil(needs - row->passed, absl::Seconds(1))) +
                       "; run again then: it goes on, access stays revoked until then")
          .With("revision", std::string_view(revision.id));
    }
    RETURN_IF_ERROR(Sleep(session.context, kLookAgain));
  }
}

}  // namespace

absl::Duration SoakOf(const EngineOptions& options, const Revision& revision) {
  return std::max(options.soak, absl::Seconds(revision.soak_seconds));
}

absl::Status AwaitSoak(RunSession& session, std::size_t position, absl::Duration wait) {
  const Revision& revision = session.graph.at(position);
  const absl::Duration needs = SoakOf(session.options, revision);
  if (needs <= absl::ZeroDuration()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<SoakRow> row, LoadRow(session.connection, revision.id));
  if (!row.has_value()) {
    ASSIGN_OR_RETURN(const Soaking soaking, FindSoaking(session, revision));
    if (!soaking.has_rows) return absl::OkStatus();
    RETURN_IF_ERROR(Start(session, revision, soaking, needs));
  }
  return Wait(session, revision, needs, wait);
}

void GiveBackWhenCancelled(RunSession& session) {
  // A process that is told to stop ends the run, not the soak.
  if (!session.attendant.is_cancelled() || session.connection.is_lost()) return;
  const absl::Status given_back = BreakOffSoaks(session);
  if (!given_back.ok() && !session.connection.is_lost()) {
    session.journal.Emit({.kind = "warning",
                          .message = "access that a soak took away could not be given back: " +
                                     MessageOf(given_back) + "; a downgrade tries again"});
  }
}

absl::StatusOr<bool> HasSoaks(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT EXISTS (SELECT FROM migration.soaks AS s WHERE NOT EXISTS (SELECT"
                       " FROM migration.applied_revisions AS r WHERE r.revision = s.revision))"
                       " AS has_soaks"));
  return rows[0].Get<bool>("has_soaks");
}

std::string ForgetSoakSql(const Revision& revision) {
  return "DELETE FROM migration.soaks WHERE revision = " + pg::QuoteLiteral(revision.id) + ";\n";
}

absl::Status BreakOffSoaks(RunSession& session) {
  // Those that came to their drop are over: undone and applied again, the revision soaks anew.
  // Their evidence is in migration.gates.
  RETURN_IF_ERROR(session.connection
                      .Query("DELETE FROM migration.soaks AS s WHERE EXISTS (SELECT FROM"
                             " migration.applied_revisions AS r WHERE r.revision = s.revision)")
                      .status());
  ASSIGN_OR_RETURN(
      pg::Result rows,
      session.connection.Query("SELECT s.revision, s.service, s.give_back::text AS give_back"
                               "  FROM migration.soaks AS s"
                               " WHERE NOT EXISTS (SELECT FROM migration.applied_revisions AS r"
                               "                    WHERE r.revision = s.revision)"));
  for (const pg::Row row : rows) {
    std::string sql = EnterRoleSql(OwnerRole(row.Text("service")));
    const auto grants = nlohmann::json::parse(row.Text("give_back"), nullptr, false);
    for (const auto& grant : grants) {
      ASSIGN_OR_RETURN(const Soakable there,
                       FindSoakable(session.connection, grant.value("table", "")));
      // Whoever it was given to, or what, may be gone by now; that must not keep it from others.
      if (!there.quoted.empty()) {
        sql += "DO $give$ BEGIN EXECUTE " + pg::QuoteLiteral(grant.value("sql", "")) +
               "; EXCEPTION WHEN undefined_object OR undefined_column THEN NULL; END $give$;\n";
      }
    }
    const std::string revision = row.Text("revision");
    RETURN_IF_ERROR(
        RecordInLedger(session, "",
                       sql + "SET LOCAL ROLE NONE;\nDELETE FROM migration.soaks WHERE revision = " +
                           pg::QuoteLiteral(revision) + ";\n",
                       {{.kind = "soak_ended",
                         .message = "the soak of revision " + revision +
                                    " is broken off: access to what it drops is given back",
                         .revision = revision}}));
  }
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::json> SoakEvidence(pg::Connection& connection, std::string_view revision) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT jsonb_build_object('begun_at', begun_at, 'started_at',"
                                    " started_at, 'met_at', met_at, 'restarts', restarts,"
                                    " 'tables', watched, 'counters', snapshot)::text AS evidence"
                                    "  FROM migration.soaks WHERE revision = $1",
                                    revision));
  if (rows.empty()) return nlohmann::json(nullptr);
  return nlohmann::json::parse(rows[0].Text("evidence"), nullptr, false);
}

absl::StatusOr<std::optional<SoakInfo>> LoadSoak(pg::Connection& connection,
                                                 std::string_view revision, absl::Duration needs) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT started_at, restarts, met_at IS NOT NULL AS is_met,"
          "       (extract(epoch FROM coalesce(met_at, clock_timestamp()) - started_at)"
          "        * 1000)::bigint AS passed"
          "  FROM migration.soaks WHERE revision = $1",
          revision));
  if (rows.empty()) return std::optional<SoakInfo>();
  return std::optional<SoakInfo>(
      SoakInfo{.started_at = rows[0].Get<absl::Time>("started_at"),
               .restarts = rows[0].Get<std::int32_t>("restarts"),
               .needs = needs,
               .passed = absl::Milliseconds(rows[0].Get<std::int64_t>("passed")),
               .is_met = rows[0].Get<bool>("is_met")});
}

}  // namespace lockstep::migration
