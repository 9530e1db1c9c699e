#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/gate.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/registry.h"
#include "services/migration/server/metrics/figures.h"

namespace lockstep::migration {
namespace {

constexpr int kMostBackfills = 200;
constexpr absl::Duration kFinishedBackfillsFor = absl::Hours(24);

enum Answer { kRuns, kSteps, kWaits, kOpenWait, kSessions, kSlots, kWebhook };

// A run of the ledger whose process is gone stays "running" until the next runner finds it. Verify
// runs read only and hold no lease; what they do is seen by their session.
constexpr char kRunsSql[] = R"sql(
SELECT r.kind, r.finished_at IS NOT NULL AS is_over,
       CASE WHEN r.finished_at IS NULL AND r.state = 'running' AND r.kind <> 'verify' AND NOT EXISTS
              (SELECT FROM migration.lease AS l WHERE l.run_id = r.run_id
                  AND l.expires_at > clock_timestamp())
            THEN 'abandoned' ELSE r.state END AS state,
       count(*) AS runs
  FROM migration.runs AS r GROUP BY 1, 2, 3;
)sql";

// Buckets: how many of the bounds ($ in the text) lie below the duration.
constexpr char kStepsSql[] = R"sql(
SELECT service, direction,
       width_bucket(duration_ms - 1, '{%s}'::bigint[]) AS bucket,
       count(*) AS steps, sum(duration_ms)::bigint AS total_ms
  FROM migration.step_log GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
)sql";

// A wait lasts until its run has something else to tell. Only waits that are over count, so that
// the sum never goes back.
constexpr char kWaitsSql[] = R"sql(
SELECT coalesce(b.details #>> '{holders,0,kind}', 'unknown') AS holder, count(*) AS waits,
       sum(greatest(extract(epoch FROM n.at - b.at), 0))::text AS seconds
  FROM migration.run_events AS b
 CROSS JOIN LATERAL (SELECT e.at FROM migration.run_events AS e
                      WHERE e.run_id = b.run_id AND e.event_offset > b.event_offset
                      ORDER BY e.event_offset LIMIT 1) AS n
 WHERE b.kind = 'step_blocked' GROUP BY 1;
)sql";

constexpr char kOpenWaitSql[] = R"sql(
SELECT greatest(extract(epoch FROM clock_timestamp() - e.at), 0)::text AS seconds,
       coalesce(e.details -> 'holders', '[]')::text AS holders
  FROM migration.lease AS l
 CROSS JOIN LATERAL (SELECT * FROM migration.run_events AS e WHERE e.run_id = l.run_id
                      ORDER BY e.event_offset DESC LIMIT 1) AS e
 WHERE l.expires_at > clock_timestamp() AND e.kind = 'step_blocked';
)sql";

// A role without pg_read_all_stats sees the sessions of others, but not what they do.
constexpr char kSessionsSql[] = R"sql(
SELECT clock_timestamp() AS now,
       coalesce(bool_or(a.query = '<insufficient privilege>'), false) AS is_hidden,
       coalesce(extract(epoch FROM clock_timestamp() - min(a.xact_start)), 0)::text AS oldest,
       count(*) FILTER (WHERE a.state LIKE 'idle in transaction%') AS idle,
       (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(p.prepared)), 0)::text
          FROM pg_prepared_xacts AS p WHERE p.database = current_database()) AS oldest_prepared,
       (SELECT count(*) FROM pg_prepared_xacts AS p WHERE p.database = current_database())
         AS prepared,
       (SELECT CASE WHEN bool_or(r.state IS NULL) THEN NULL
                    ELSE coalesce(max(extract(epoch FROM r.replay_lag)), 0) END
          FROM pg_stat_replication AS r)::text AS replica_lag
  FROM pg_stat_activity AS a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND a.backend_type = 'client backend';
)sql";

constexpr char kSlotsSql[] = R"sql(
SELECT s.slot_name::text AS name, s.active,
       greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                     ELSE pg_current_wal_lsn() END, s.restart_lsn), 0)::bigint
         AS retained_bytes
  FROM pg_replication_slots AS s WHERE s.restart_lsn IS NOT NULL ORDER BY 1 LIMIT 100;
)sql";

constexpr char kWebhookSql[] = R"sql(
SELECT w.delivered, w.undeliverable, w.failed_attempts,
       (SELECT count(*) FROM migration.webhook_cursors AS c WHERE c.attempts > 0) AS behind
  FROM migration.webhook_state AS w;
)sql";

double Number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

std::string StepsSql() {
  std::string sql = kStepsSql;
  return sql.replace(sql.find("%s"), 2, absl::StrJoin(kStepBoundsMs, ","));
}

void TakeRuns(const pg::Result& rows, Figures& figures) {
  for (const pg::Row row : rows) {
    auto& runs = row.Get<bool>("is_over") ? figures.finished_runs : figures.active_runs;
    runs[{row.Text("kind"), row.Text("state")}] += row.Get<std::int64_t>("runs");
  }
}

void TakeSteps(const pg::Result& rows, Figures& figures) {
  for (const pg::Row row : rows) {
    const std::string service = row.Text("service");
    const std::string direction = row.Text("direction");
    if (figures.steps.empty() || figures.steps.back().service != service ||
        figures.steps.back().direction != direction) {
      figures.steps.push_back({.service = service, .direction = direction});
    }
    StepDurations& steps = figures.steps.back();
    steps.buckets.at(static_cast<std::size_t>(row.Get<std::int32_t>("bucket"))) +=
        static_cast<std::uint64_t>(row.Get<std::int64_t>("steps"));
    steps.total_ms += row.Get<std::int64_t>("total_ms");
  }
}

void TakeWaits(const pg::Result& over, const pg::Result& open, Figures& figures) {
  for (const pg::Row row : over) {
    figures.lock_waits[row.Text("holder")] = {.waits = row.Get<std::int64_t>("waits"),
                                              .seconds = Number(row.Text("seconds"))};
  }
  if (open.empty()) return;
  figures.lock_wait_seconds = Number(open[0].Text("seconds"));
  const auto holders = nlohmann::json::parse(open[0].Text("holders"), nullptr, false);
  if (!holders.is_array()) return;
  for (const auto& holder : holders) {
    if (holder.is_object()) ++figures.lock_blockers[holder.value("kind", "unknown")];
  }
}

void TakeServer(const pg::Row& sessions, const pg::Result& slots, Figures& figures) {
  figures.now = sessions.Get<absl::Time>("now");
  if (!sessions.Get<bool>("is_hidden")) {
    figures.oldest_transaction_seconds = Number(sessions.Text("oldest"));
    figures.idle_in_transaction = sessions.Get<std::int64_t>("idle");
  }
  figures.oldest_prepared_seconds = Number(sessions.Text("oldest_prepared"));
  figures.prepared_transactions = sessions.Get<std::int64_t>("prepared");
  if (const auto lag = sessions.OptionalText("replica_lag"); lag.has_value()) {
    figures.replica_lag_seconds = Number(*lag);
  }
  for (const pg::Row row : slots) {
    figures.slots.push_back({.name = row.Text("name"),
                             .is_active = row.Get<bool>("active"),
                             .retained_bytes = row.Get<std::int64_t>("retained_bytes")});
  }
}

void TakeRevisions(const Graph& graph, const AppliedState& state, Figures& figures) {
  for (const std::string& service : graph.services()) figures.services[service];
  for (const std::string& head : HeadsOf(graph, state)) {
    const std::size_t at = head.find('@');
    figures.services[head.substr(0, at)].heads.push_back(head.substr(at + 1));
  }
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const auto applied = state.revisions.find(graph.at(i).id);
    if (applied != state.revisions.end() && applied->second.is_complete) continue;
    ++figures.services[graph.at(i).service].pending;
  }
  for (const auto& [id, revision] : state.revisions) {
    const bool is_known = graph.Find(id).has_value();
    ServiceFigures& service = figures.services[revision.service];
    if (!is_known) ++service.unknown;
    if (is_known && !revision.is_complete && !revision.steps.empty()) ++service.partial;
  }
}

void TakeInstances(const std::vector<Instance>& instances, Figures& figures) {
  for (const Instance& instance : instances) {
    if (!instance.is_live) continue;
    ServiceFigures& service = figures.services[instance.service];
    ++service.instances_live;
    if (instance.is_ready) ++service.instances_ready;
  }
}

absl::Status TakeGates(pg::Connection& connection, const Graph& graph, const AppliedState& state,
                       Figures& figures) {
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const Revision& revision = graph.at(i);
    const auto applied = state.revisions.find(revision.id);
    const bool is_done = applied != state.revisions.end() && applied->second.is_complete;
    if (revision.phase != Phase::kContract || is_done) continue;
    ASSIGN_OR_RETURN(const GateState gate, LookAtGate(connection, graph, i));
    figures.contract_blockers[{revision.service, revision.id}] =
        static_cast<int>(gate.violations.size() + gate.strangers.size());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Figures> ReadFigures(pg::Connection& connection, const Graph& graph) {
  Figures figures;
  // First, because it tells what is wrong with the ledger when something is.
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(connection, graph));
  TakeRevisions(graph, state, figures);
  ASSIGN_OR_RETURN(const CurrentState current, LoadCurrent(connection, graph, state));
  figures.release = current.release;
  ASSIGN_OR_RETURN(const std::vector<Instance> instances, LoadInstances(connection));
  TakeInstances(instances, figures);
  RETURN_IF_ERROR(TakeGates(connection, graph, state, figures));
  ASSIGN_OR_RETURN(figures.lease, LoadLease(connection));
  ASSIGN_OR_RETURN(figures.open_freezes, LoadOpenFreezes(connection));
  ASSIGN_OR_RETURN(figures.backfills, LoadBackfills(connection, kMostBackfills));
  ASSIGN_OR_RETURN(const std::vector<pg::Result> answers,
                   connection.Script(std::string(kRunsSql) + StepsSql() + kWaitsSql + kOpenWaitSql +
                                     kSessionsSql + kSlotsSql + kWebhookSql));
  TakeRuns(answers[kRuns], figures);
  TakeSteps(answers[kSteps], figures);
  TakeWaits(answers[kWaits], answers[kOpenWait], figures);
  TakeServer(answers[kSessions][0], answers[kSlots], figures);
  std::erase_if(figures.backfills, [&](const BackfillInfo& backfill) {
    return backfill.finished_at.has_value() &&
           *backfill.finished_at < figures.now - kFinishedBackfillsFor;
  });
  if (!answers[kWebhook].empty()) {
    const pg::Row row = answers[kWebhook][0];
    figures.webhook = {.delivered = row.Get<std::int64_t>("delivered"),
                       .undeliverable = row.Get<std::int64_t>("undeliverable"),
                       .failed_attempts = row.Get<std::int64_t>("failed_attempts"),
                       .runs_behind = static_cast<int>(row.Get<std::int64_t>("behind"))};
  }
  return figures;
}

}  // namespace lockstep::migration
