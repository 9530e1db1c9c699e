#include "services/migration/engine/run/contract_gate.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/build_ledger.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/soak.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kLookAgain = absl::Milliseconds(200);
// A run of a thousand small revisions need not ask before each.
constexpr absl::Duration kBuildsCheckedFor = absl::Seconds(1);

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

// The names only: that a lease was renewed is no news.
std::string WhoBlocks(const GateState& state) {
  std::string who;
  for (const Violation& violation : state.violations) who += violation.text() + "\n";
  for (const Stranger& stranger : state.strangers) who += stranger.text() + "\n";
  return who;
}

std::string RecordSql(const RunSession& session, const std::string& revision,
                      const std::string& forced, const JsonObject& evidence) {
  return "INSERT INTO migration.gates (run_id, revision, actor, forced_reason, evidence) VALUES (" +
         session.sql.run + ", " + pg::QuoteLiteral(revision) + ", " + session.sql.actor + ", " +
         pg::QuoteLiteral(forced) + ", " + pg::QuoteLiteral(evidence.text()) + ");\n";
}

}  // namespace

absl::Status MayChangeBuilds(RunSession& session, const Plan& plan) {
  session.builds_checked_at = absl::Now();
  std::vector<Violation> found;
  const absl::Status checked = CheckBuilds(session.connection, session.graph, plan, found);
  if (ReasonOf(checked) != "INCOMPATIBLE_BUILD" || session.force_gate.empty()) return checked;
  Happening forced{.kind = "gate_forced",
                   .message = "goes on although " + MessageOf(checked) + "\nforced by " +
                              ActorOf(session.options) + ": " + session.force_gate};
  GateState state;
  for (Violation& violation : found) {
    if (!violation.is_gate) state.violations.push_back(std::move(violation));
  }
  forced.details = JsonObject(state.ToJson());
  forced.details["reason"] = session.force_gate;
  const std::string sql = RecordSql(session, "", session.force_gate, forced.details);
  return RecordInLedger(session, "", sql, {std::move(forced)});
}

absl::Status MayStillChangeBuilds(RunSession& session, const Plan& plan, const PlanItem& next) {
  if (absl::Now() - session.builds_checked_at < kBuildsCheckedFor || !session.force_gate.empty()) {
    return absl::OkStatus();
  }
  Plan rest = plan;
  rest.items.assign(std::find_if(plan.items.begin(), plan.items.end(),
                                 [&](const PlanItem& item) { return &item == &next; }),
                    plan.items.end());
  return MayChangeBuilds(session, rest);
}

absl::Status ContractGate::Await(StepTask& task) {
  if (session_.graph.at(position_).phase != Phase::kContract) return absl::OkStatus();
  if (!session_.force_gate.empty()) return was_told_ ? absl::OkStatus() : Force();
  GateState state;
  // Inside the revision the steps' own transactions notice who comes; one that has none asks here.
  const bool asks_itself = task.step.kind == StepKind::kTransactional;
  if (!is_open_ || !asks_itself) {
    absl::Status waited = AwaitBuilds(state);
    if (waited.ok() && !was_told_) {
      waited = AwaitSoak(session_, position_, wait_);
      // The soak may have lasted days.
      if (waited.ok()) waited = AwaitBuilds(state);
      if (waited.ok()) waited = TellOpened(state);
    }
    if (!waited.ok()) {
      GiveBackWhenCancelled(session_);
      return waited;
    }
    known_ = state.known;
    is_open_ = true;
  }
  task.ask_first = "SELECT migration.begin_contract(" +
                   pg::QuoteLiteral(session_.graph.at(position_).service) + ", " +
                   TextArraySql(known_) + ");\n";
  return absl::OkStatus();
}

absl::Status ContractGate::AwaitBuilds(GateState& state) {
  absl::Time give_up = absl::Now() + wait_;
  while (true) {
    RETURN_IF_ERROR(MayGoOn(session_));
    ASSIGN_OR_RETURN(state, LookAtGate(session_.connection, session_.graph, position_));
    if (state.is_open()) return absl::OkStatus();
    RETURN_IF_ERROR(TellWaiting(state));
    // A pause is no part of the wait.
    if (session_.attendant.is_paused()) give_up += kLookAgain;
    if (absl::Now() >= give_up) {
      return Error(absl::StatusCode::kFailedPrecondition, "GATE_CLOSED",
                   "the gate of revision " + session_.graph.at(position_).id +
                       " is closed: " + Joined(state.lines()) +
                       "; what came before it is applied, run again to go on, or go on in spite of "
                       "it with: --force-gate REASON")
          .With("revision", std::string_view(session_.graph.at(position_).id));
    }
    RETURN_IF_ERROR(Sleep(session_.context, kLookAgain));
  }
}

absl::Status ContractGate::TellWaiting(const GateState& state) {
  const std::string who = WhoBlocks(state);
  if (who == told_) return absl::OkStatus();
  told_ = who;
  const Revision& revision = session_.graph.at(position_);
  Happening waiting{.kind = "gate_waiting",
                    .message = "revision " + revision.id + " (" + revision.title +
                               ") waits at its gate: " + Joined(state.lines()),
                    .revision = revision.id};
  waiting.details = JsonObject(state.ToJson());
  session_.journal.Emit(std::move(waiting));
  return FlushEvents(session_);
}

absl::Status ContractGate::TellOpened(const GateState& state) {
  const Revision& revision = session_.graph.at(position_);
  Happening opened{.kind = "gate_opened",
                   .message = "the gate of revision " + revision.id + " (" + revision.title +
                              ") is open: " + std::to_string(state.builds.size()) +
                              " builds in use were looked at",
                   .revision = revision.id};
  opened.details = JsonObject(state.ToJson());
  ASSIGN_OR_RETURN(opened.details["soak"], SoakEvidence(session_.connection, revision.id));
  const std::string sql = RecordSql(session_, revision.id, "", opened.details);
  RETURN_IF_ERROR(RecordInLedger(session_, "", sql, {std::move(opened)}));
  was_told_ = true;
  return absl::OkStatus();
}

absl::Status ContractGate::Force() {
  const Revision& revision = session_.graph.at(position_);
  ASSIGN_OR_RETURN(const GateState state,
                   LookAtGate(session_.connection, session_.graph, position_));
  Happening forced{.kind = "gate_forced",
                   .message = "revision " + revision.id + " goes on without waiting at its gate" +
                              (state.is_open() ? "" : " (" + Joined(state.lines()) + ")") +
                              "; forced by " + ActorOf(session_.options) + ": " +
                              session_.force_gate,
                   .revision = revision.id};
  forced.details = JsonObject(state.ToJson());
  forced.details["reason"] = session_.force_gate;
  const std::string sql = RecordSql(session_, revision.id, session_.force_gate, forced.details);
  RETURN_IF_ERROR(RecordInLedger(session_, "", sql, {std::move(forced)}));
  was_told_ = true;
  return absl::OkStatus();
}

}  // namespace lockstep::migration
