#include "services/migration/engine/run/run_verification.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/killpoint/killpoint.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/repeatable_plan.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

// A run that verified has events of this kind, which commit together with the results.
constexpr char kVerified[] = "verification";
// In the log of a run whose work another one verified.
constexpr char kRecovered[] = "recovered";

// A condition on migration.runs AS r. Runs that succeeded have verified, or were told not to.
std::string IsUnverifiedSql() {
  return absl::StrFormat(
      "r.state IN ('interrupted', 'failed', 'blocked', 'cancelled')"
      " AND r.kind IN ('upgrade', 'downgrade')"
      " AND NOT EXISTS (SELECT FROM migration.run_events AS e"
      "                  WHERE e.run_id = r.run_id AND e.kind IN ('%s', '%s'))",
      kVerified, kRecovered);
}

Happening Found(const std::string& run, const std::string& state) {
  if (state == "interrupted") {
    return {.kind = "predecessor_interrupted",
            .message = "run " + run + " went away before it verified what it had done"};
  }
  return {.kind = "predecessor_unverified",
          .message = "run " + run + " ended as " + state + " before it verified what it had done"};
}

std::string RecoveredSql(const RunSession& session, const Leftovers& left) {
  std::string sql;
  for (const std::string& run : left.runs) {
    sql += absl::StrFormat(
        "INSERT INTO migration.run_events (run_id, event_offset, at, kind, message)"
        " SELECT %s, coalesce(max(event_offset), 0) + 1, clock_timestamp(), '%s',"
        " 'run ' || %s || ' verified what this one had done'"
        " FROM migration.run_events WHERE run_id = %s;\n",
        pg::QuoteLiteral(run), kRecovered, session.sql.run, pg::QuoteLiteral(run));
  }
  return sql;
}

absl::StatusOr<Verifications> RunWatched(RunSession& session, const AppliedState& state,
                                         const RevisionSet& affected) {
  const Attendant::Watch watch(session.attendant, {.kind = "", .message = ""});
  ASSIGN_OR_RETURN(Verifications found,
                   RunVerifications(session.context, session.connection, session.graph, state,
                                    affected, LimitsOf(session.options), session.journal));
  for (const LockHolder& holder : session.attendant.last_holders()) {
    if (!found.undecided.empty()) found.undecided.push_back("blocked by " + holder.text());
  }
  return found;
}

// What commits with the results. Not before: these events say that the run has verified.
std::vector<Happening> TailOf(const Verifications& found, std::size_t revisions) {
  std::vector<Happening> tail;
  for (const VerificationResult& check : found.results) {
    if (!check.passed) tail.push_back(FailedCheck(check));
  }
  if (tail.empty() && found.undecided.empty() && !found.results.empty()) {
    tail.push_back({.kind = kVerified,
                    .message = absl::StrFormat("%d verifications of %d revisions hold",
                                               found.results.size(), revisions)});
  }
  return tail;
}

}  // namespace

std::string UnverifiedRunsSql() {
  return "SELECT EXISTS (SELECT FROM migration.runs AS r WHERE " + IsUnverifiedSql() +
         " AND EXISTS (SELECT FROM migration.step_log AS l WHERE l.run_id = r.run_id)) AS has_any";
}

absl::StatusOr<Leftovers> FindLeftovers(RunSession& session) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      session.connection.Query("SELECT r.run_id, r.state, l.revision, l.service, l.ordinal, "
                               "l.direction FROM migration.runs AS r"
                               "  JOIN migration.step_log AS l ON l.run_id = r.run_id WHERE " +
                               IsUnverifiedSql() + " ORDER BY l.log_id"));
  Leftovers left;
  for (const pg::Row row : rows) {
    if (left.runs.insert(row.Text("run_id")).second) {
      session.journal.Emit(Found(row.Text("run_id"), row.Text("state")));
    }
    if (IsRepeatableId(row.Text("revision"))) left.touched.services.insert(row.Text("service"));
    const auto position = session.graph.Find(row.Text("revision"));
    const auto index = static_cast<std::size_t>(row.Get<std::int32_t>("ordinal")) - 1;
    if (!position.has_value() || index >= session.graph.at(*position).steps.size()) continue;
    const Revision& revision = session.graph.at(*position);
    const bool was_up = row.Text("direction") == "up";
    left.touched.Add(revision, was_up ? revision.steps[index].up : revision.steps[index].down);
    if (was_up) left.touched.revisions.insert(revision.id);
  }
  return left;
}

absl::Status VerifyTouched(RunSession& session, Touched touched, const Leftovers& left,
                           RunReport& report) {
  touched.tables.insert(left.touched.tables.begin(), left.touched.tables.end());
  touched.services.insert(left.touched.services.begin(), left.touched.services.end());
  touched.revisions.insert(left.touched.revisions.begin(), left.touched.revisions.end());
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(session.connection, session.graph));
  report.heads = HeadsOf(session.graph, state);
  RETURN_IF_ERROR(AddDependentViews(session.connection, touched));
  const RevisionSet affected = Affected(session.graph, state, touched);
  if (affected.empty() && left.runs.empty()) return absl::OkStatus();
  Killpoint("verify_begin");
  ASSIGN_OR_RETURN(const Verifications found, RunWatched(session, state, affected));
  const absl::Status status = VerificationStatus(found);
  const bool is_decided = ReasonOf(status) != "VERIFICATION_BLOCKED";
  RETURN_IF_ERROR(RecordInLedger(
      session, "the record of the verifications",
      RecordChecksSql(session.sql, found.results) + (is_decided ? RecoveredSql(session, left) : ""),
      TailOf(found, affected.size())));
  Killpoint("verify_recorded");
  report.verifications.insert(report.verifications.end(), found.results.begin(),
                              found.results.end());
  return status;
}

}  // namespace lockstep::migration
