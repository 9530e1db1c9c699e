#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/status/macros.h"
#include "services/migration/engine/run/amendment.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/repeatable_ledger.h"
#include "services/migration/engine/run/run_verification.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

// What an intent that nobody took back means for its step: an undo that is not finished, or a step
// that was begun and never done.
void AddIntent(const Graph& graph, const std::string& id, int ordinal, bool is_up,
               AppliedState& state) {
  const auto known = state.revisions.find(id);
  if (known != state.revisions.end()) {
    for (AppliedStep& step : known->second.steps) {
      if (step.ordinal != ordinal) continue;
      if (!is_up) step.is_half_undone = true;
      return;
    }
  }
  const auto position = graph.Find(id);
  // What files that are gone once began leaves no trace in a plan: nothing was recorded of it.
  if (!is_up || !position.has_value() || graph.at(*position).id != id) return;
  AppliedRevision& revision = state.revisions[id];
  revision.service = graph.at(*position).service;
  revision.begun.push_back(ordinal);
}

}  // namespace

LedgerRows ReadLedger(pg::Connection& connection) {
  return connection.Script(
      "SELECT max(version) AS version FROM migration.ledger_version;\n"
      "SELECT s.revision, s.service, s.ordinal, s.name, s.checksum, coalesce(r.checksum, '') AS "
      "revision_checksum"
      "  FROM migration.applied_steps s LEFT JOIN migration.applied_revisions r ON r.revision = "
      "s.revision"
      " ORDER BY s.revision, s.ordinal;\n"
      // An undo ends what was amended, though the amendment stays in the log.
      "SELECT a.revision, a.ordinal, a.old_checksum, a.new_checksum FROM migration.amendments a"
      "  JOIN migration.applied_steps s ON s.revision = a.revision AND s.ordinal = a.ordinal"
      " WHERE a.kind = 'down_replaced' AND a.amended_at >= s.applied_at;\n"
      "SELECT expires_at <> '-infinity' AS is_out FROM migration.lease WHERE id = 1;\n"
      "SELECT revision, ordinal, direction FROM migration.step_intents"
      " UNION SELECT revision, ordinal, 'up' FROM migration.backfills WHERE finished_at IS NULL"
      " ORDER BY revision, ordinal;\n" +
      RepeatableStateSql() + UnverifiedRunsSql());
}

absl::StatusOr<LedgerState> LedgerStateFrom(const LedgerRows& results, pg::Connection& connection,
                                            const Graph& graph) {
  if (!results.ok() ||
      (*results)[0][0].Optional<std::int32_t>("version").value_or(0) != LedgerVersion()) {
    RETURN_IF_ERROR(CheckLedger(connection));
    if (!results.ok()) return results.status();
  }
  LedgerState state;
  state.is_lease_out = !(*results)[3].empty() && (*results)[3][0].Get<bool>("is_out");
  for (const pg::Row row : (*results)[1]) {
    AppliedRevision& revision = state.applied.revisions[row.Text("revision")];
    revision.service = row.Text("service");
    revision.checksum = row.Text("revision_checksum");
    revision.is_complete = !revision.checksum.empty();
    revision.steps.push_back({.ordinal = row.Get<std::int32_t>("ordinal"),
                              .name = row.Text("name"),
                              .checksum = row.Text("checksum")});
  }
  std::map<std::string, AmendedSteps> amended;
  for (const pg::Row row : (*results)[2]) {
    std::set<std::string>& checksums =
        amended[row.Text("revision")][row.Get<std::int32_t>("ordinal")];
    checksums.insert({row.Text("old_checksum"), row.Text("new_checksum")});
  }
  for (const auto& [id, steps] : amended) {
    const auto position = graph.Find(id);
    if (!position.has_value()) continue;
    AcceptAmended(graph.at(*position), steps, state.applied.revisions[id]);
  }
  for (const pg::Row row : (*results)[4]) {
    AddIntent(graph, row.Text("revision"), row.Get<std::int32_t>("ordinal"),
              row.Text("direction") == "up", state.applied);
  }
  state.applied.repeatables = RepeatablesFrom((*results)[5]);
  state.has_unverified_runs = (*results)[6][0].Get<bool>("has_any");
  return state;
}

absl::StatusOr<LedgerState> LoadLedger(pg::Connection& connection, const Graph& graph) {
  return LedgerStateFrom(ReadLedger(connection), connection, graph);
}

absl::StatusOr<AppliedState> LoadState(pg::Connection& connection, const Graph& graph) {
  ASSIGN_OR_RETURN(LedgerState state, LoadLedger(connection, graph));
  return std::move(state.applied);
}

std::vector<std::string> HeadsOf(const Graph& graph, const AppliedState& state) {
  RevisionSet complete;
  std::vector<std::string> heads;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const auto found = state.revisions.find(graph.at(i).id);
    if (found != state.revisions.end() && found->second.is_complete) complete.push_back(i);
  }
  for (const std::size_t head : graph.Heads(complete)) {
    heads.push_back(graph.at(head).service + "@" + graph.at(head).id);
  }
  std::sort(heads.begin(), heads.end());
  return heads;
}

}  // namespace lockstep::migration
