#include "services/migration/engine/run/ledger.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

constexpr char kRunColumns[] =
    "SELECT r.run_id, r.kind, r.target, r.state, r.actor, r.host, r.started_at, r.finished_at, "
    "r.error_reason,"
    "  r.error_message, r.steps_total,"
    "  (SELECT count(*) FROM migration.step_log l WHERE l.run_id = r.run_id)::integer AS "
    "steps_done,"
    "  coalesce((SELECT max(e.event_offset) FROM migration.run_events e WHERE e.run_id = "
    "r.run_id), 0) AS last_offset"
    "  FROM migration.runs r";

constexpr std::size_t kUuidSize = 36;

bool IsUuidPrefix(std::string_view text) {
  if (text.size() > kUuidSize) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
      return false;
  }
  return true;
}

RunState RunStateFromText(const std::string& text) {
  for (const RunState state :
       {RunState::kWaiting, RunState::kRunning, RunState::kSucceeded, RunState::kFailed,
        RunState::kBlocked, RunState::kCancelled, RunState::kInterrupted}) {
    if (ToText(state) == text) return state;
  }
  return RunState::kInterrupted;
}

RunInfo RunFromRow(const pg::Row& row) {
  RunInfo run;
  run.id = row.Text("run_id");
  run.kind = row.Text("kind");
  run.target = row.Text("target");
  run.state = RunStateFromText(row.Text("state"));
  run.actor = row.Text("actor");
  run.host = row.Text("host");
  run.started_at = row.Get<absl::Time>("started_at");
  run.finished_at = row.Optional<absl::Time>("finished_at");
  run.error_reason = row.Text("error_reason");
  run.error_message = row.Text("error_message");
  run.steps_total = row.Get<std::int32_t>("steps_total");
  run.steps_done = row.Get<std::int32_t>("steps_done");
  run.last_offset = row.Get<std::int64_t>("last_offset");
  return run;
}

}  // namespace

std::string_view ToText(RevisionState state) {
  switch (state) {
    case RevisionState::kPending:
      return "pending";
    case RevisionState::kPartial:
      return "partial";
    case RevisionState::kApplied:
      return "applied";
    case RevisionState::kUnknown:
      return "unknown";
  }
  return "";
}

std::string_view ToText(RunState state) {
  switch (state) {
    case RunState::kWaiting:
      return "waiting";
    case RunState::kRunning:
      return "running";
    case RunState::kSucceeded:
      return "succeeded";
    case RunState::kFailed:
      return "failed";
    case RunState::kBlocked:
      return "blocked";
    case RunState::kCancelled:
      return "cancelled";
    case RunState::kInterrupted:
      return "interrupted";
  }
  return "";
}

absl::StatusOr<CurrentState> LoadCurrent(pg::Connection& connection, const Graph& graph,
                                         const AppliedState& state) {
  CurrentState current;
  current.heads = HeadsOf(graph, state);
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT s.revision, max(s.service) AS service, count(*)::integer AS steps_done,"
          "  coalesce(max(r.title), '') AS title, coalesce(max(r.checksum), '') AS checksum,"
          "  max(r.applied_at) AS applied_at, coalesce(max(r.applied_by), max(s.applied_by)) AS "
          "applied_by,"
          "  coalesce(max(r.run_id::text), max(s.run_id::text)) AS run_id"
          "  FROM migration.applied_steps s LEFT JOIN migration.applied_revisions r ON r.revision "
          "= s.revision"
          " GROUP BY s.revision ORDER BY s.revision"));
  std::map<std::size_t, LedgerRevision> known;
  std::vector<LedgerRevision> unknown;
  std::set<std::size_t> complete;
  for (const pg::Row row : rows) {
    LedgerRevision revision;
    revision.id = row.Text("revision");
    revision.service = row.Text("service");
    revision.title = row.Text("title");
    revision.checksum = row.Text("checksum");
    revision.applied_at = row.Optional<absl::Time>("applied_at");
    revision.applied_by = row.Text("applied_by");
    revision.run_id = row.Text("run_id");
    revision.steps_done = row.Get<std::int32_t>("steps_done");
    revision.state = revision.checksum.empty() ? RevisionState::kPartial : RevisionState::kApplied;
    const auto position = graph.Find(revision.id);
    if (!position.has_value()) {
      revision.state = RevisionState::kUnknown;
      unknown.push_back(std::move(revision));
      continue;
    }
    revision.title = graph.at(*position).title;
    revision.steps_total = static_cast<int>(graph.at(*position).steps.size());
    if (revision.state == RevisionState::kApplied) complete.insert(*position);
    known[*position] = std::move(revision);
  }
  for (auto& [position, revision] : known) current.revisions.push_back(std::move(revision));
  for (LedgerRevision& revision : unknown) current.revisions.push_back(std::move(revision));
  for (std::size_t i = 0; i < graph.definitions().releases.size(); ++i) {
    const RevisionSet& members = graph.ReleaseSet(i);
    if (std::all_of(members.begin(), members.end(),
                    [&](std::size_t member) { return complete.contains(member); })) {
      current.release = graph.definitions().releases[i].name;
    }
  }
  return current;
}

absl::StatusOr<LeaseInfo> LoadLease(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT token, holder, actor, host, coalesce(run_id::text, '') AS run_id, acquired_at,"
          "  expires_at > clock_timestamp() AS is_held,"
          "  CASE WHEN isfinite(expires_at) THEN expires_at END AS expires_at"
          "  FROM migration.lease WHERE id = 1"));
  LeaseInfo lease;
  if (rows.empty()) return lease;
  const pg::Row row = rows[0];
  lease.is_held = row.Get<bool>("is_held");
  lease.token = row.Get<std::int64_t>("token");
  lease.holder = row.Text("holder");
  lease.actor = row.Text("actor");
  lease.host = row.Text("host");
  lease.run_id = row.Text("run_id");
  lease.acquired_at = row.Optional<absl::Time>("acquired_at");
  lease.expires_at = row.Optional<absl::Time>("expires_at");
  return lease;
}

absl::StatusOr<std::vector<RunInfo>> LoadRuns(pg::Connection& connection, int limit,
                                              std::string_view before_run) {
  std::string sql = kRunColumns;
  std::vector<pg::Param> params;
  if (!before_run.empty()) {
    ASSIGN_OR_RETURN(const RunInfo before, LoadRun(connection, before_run));
    sql += " WHERE r.started_order < (SELECT started_order FROM migration.runs WHERE run_id = $1)";
    params.emplace_back(before.id);
  }
  sql += " ORDER BY r.started_order DESC LIMIT " + std::to_string(std::max(limit, 0));
  ASSIGN_OR_RETURN(pg::Result rows, connection.QueryList(sql, params));
  std::vector<RunInfo> runs;
  for (const pg::Row row : rows) runs.push_back(RunFromRow(row));
  return runs;
}

absl::StatusOr<RunInfo> LoadRun(pg::Connection& connection, std::string_view run_id) {
  const auto not_found = [&] {
    return Error(absl::StatusCode::kNotFound, "RUN_NOT_FOUND", "the ledger has no such run")
        .With("run", run_id);
  };
  if (run_id.size() < 4 || !IsUuidPrefix(run_id)) return not_found();
  const std::string where =
      run_id.size() == kUuidSize
          ? " WHERE r.run_id = $1::uuid"
          : " WHERE left(r.run_id::text, char_length($1)) = lower($1) LIMIT 2";
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(std::string(kRunColumns) + where, run_id));
  if (rows.size() != 1) return not_found();
  return RunFromRow(rows[0]);
}

absl::StatusOr<std::vector<RunEvent>> LoadEvents(pg::Connection& connection,
                                                 std::string_view run_id, std::int64_t after,
                                                 int limit) {
  if (run_id.size() != kUuidSize || !IsUuidPrefix(run_id)) {
    return Error(absl::StatusCode::kNotFound, "RUN_NOT_FOUND", "the ledger has no such run")
        .With("run", run_id);
  }
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT run_id, event_offset, at, kind, revision, step, step_name, message, details"
          "  FROM migration.run_events WHERE run_id = $1::uuid AND event_offset > $2"
          " ORDER BY event_offset LIMIT $3",
          run_id, after, std::max(limit, 0)));
  std::vector<RunEvent> events;
  for (const pg::Row row : rows) {
    events.push_back({.run_id = row.Text("run_id"),
                      .offset = row.Get<std::int64_t>("event_offset"),
                      .at = row.Get<absl::Time>("at"),
                      .kind = row.Text("kind"),
                      .revision = row.Text("revision"),
                      .step = row.Get<std::int32_t>("step"),
                      .step_name = row.Text("step_name"),
                      .message = row.Text("message"),
                      .details = row.Text("details")});
  }
  return events;
}

absl::StatusOr<std::string> LoadWaitsFor(pg::Connection& connection, std::string_view run_id) {
  // A try that did not get its locks, or a blocker that was broken off, does not end the wait.
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT kind, message FROM migration.run_events WHERE run_id = $1::uuid"
                       "   AND kind NOT IN ('step_retried', 'blocker_cancelled')"
                       " ORDER BY event_offset DESC LIMIT 1",
                       run_id));
  const bool waits = !rows.empty() && rows[0].Text("kind") == "step_blocked";
  return waits ? rows[0].Text("message") : std::string();
}

absl::StatusOr<std::vector<HistoryEntry>> LoadHistory(pg::Connection& connection, int limit) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT l.log_id, l.run_id, r.kind, l.revision, l.service, l.ordinal, "
                       "l.name, l.direction,"
                       "  l.checksum, l.actor, l.finished_at, l.duration_ms"
                       "  FROM migration.step_log l JOIN migration.runs r ON r.run_id = l.run_id"
                       " ORDER BY l.log_id DESC LIMIT $1",
                       std::max(limit, 0)));
  std::vector<HistoryEntry> history;
  for (const pg::Row row : rows) {
    HistoryEntry entry;
    entry.id = row.Get<std::int64_t>("log_id");
    entry.run_id = row.Text("run_id");
    entry.run_kind = row.Text("kind");
    entry.revision = row.Text("revision");
    entry.service = row.Text("service");
    entry.step = row.Get<std::int32_t>("ordinal");
    entry.step_name = row.Text("name");
    entry.direction = row.Text("direction") == "up" ? Direction::kUp : Direction::kDown;
    entry.checksum = row.Text("checksum");
    entry.actor = row.Text("actor");
    entry.finished_at = row.Get<absl::Time>("finished_at");
    entry.duration_ms = row.Get<std::int64_t>("duration_ms");
    history.push_back(std::move(entry));
  }
  return history;
}

absl::StatusOr<std::vector<VerificationResult>> LoadVerificationResults(pg::Connection& connection,
                                                                        std::string_view revision,
                                                                        int limit) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT revision, check_id, expected, actual, passed, ran_at"
                       "  FROM migration.verification_results WHERE $1 IN ('', revision)"
                       " ORDER BY result_id DESC LIMIT $2",
                       revision, std::max(limit, 0)));
  std::vector<VerificationResult> checks;
  for (const pg::Row row : rows) {
    checks.push_back({.revision = row.Text("revision"),
                      .check_id = row.Text("check_id"),
                      .expected = row.Text("expected"),
                      .actual = row.Text("actual"),
                      .passed = row.Get<bool>("passed"),
                      .ran_at = row.Get<absl::Time>("ran_at")});
  }
  return checks;
}

absl::StatusOr<Script> LoadArchivedScript(pg::Connection& connection, std::string_view revision,
                                          int ordinal, std::string_view role) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT file, body, sha256 = encode(sha256(convert_to(body, 'UTF8')), 'hex') AS is_intact"
          "  FROM migration.archived_scripts WHERE revision = $1 AND ordinal = $2 AND role = $3",
          revision, ordinal, role));
  if (rows.empty()) return Script{};
  const pg::Row row = rows[0];
  if (!row.Get<bool>("is_intact")) {
    return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVED_SCRIPT_DAMAGED",
                 "the archived copy of " + row.Text("file") +
                     " does not have the hash that was recorded with it")
        .With("revision", revision);
  }
  return ReadScript(row.Text("file"), row.Text("body"));
}

}  // namespace lockstep::migration
