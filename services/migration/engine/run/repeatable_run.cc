#include "services/migration/engine/run/repeatable_run.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/step_runner.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

absl::Status DropGone(RunSession& session, const PlannedRepeatable& planned,
                      const RepeatableScope& scope, Touched& touched, RunReport& report) {
  std::string text;
  for (const RepeatableObject& object : planned.objects) {
    text += KnownObject{object, ""}.DropSql() + ";\n";
  }
  ASSIGN_OR_RETURN(Script script, ReadScript(planned.key() + ".sql", text));
  const RepeatableTask made(planned.service, RepeatableId(planned.key()), ToText(planned.action),
                            Direction::kDown, std::move(script));
  const auto prepare = [&](pg::Connection& connection) {
    return PrepareDrop(session, made.task, planned, scope, connection);
  };
  RETURN_IF_ERROR(RunStepWith(
      session, made.task, [&] { return RunTransactionalStep(session, made.task, prepare); },
      report));
  touched.Add(made.revision, made.step.up);
  return absl::OkStatus();
}

}  // namespace

RepeatableTask::RepeatableTask(std::string service, std::string id, std::string_view step_name,
                               Direction direction, Script up)
    : task{.revision = revision,
           .step = step,
           .direction = direction,
           .script = step.up,
           .is_repeatable = true} {
  revision.id = std::move(id);
  revision.service = std::move(service);
  revision.title = revision.id;
  step.name = step_name;
  step.up = std::move(up);
  step.checksum = step.up.checksum;
}

absl::Status ApplyRepeatable(RunSession& session, const Repeatable& repeatable,
                             const RepeatableScope& scope, std::vector<std::string>& applied,
                             Touched& touched, RunReport& report) {
  if (std::ranges::find(applied, repeatable.key()) != applied.end()) return absl::OkStatus();
  const RepeatableTask made(repeatable.service, RepeatableId(repeatable.key()),
                            ToText(RepeatableAction::kApply), Direction::kUp, repeatable.script);
  std::vector<std::string> keys;
  const auto prepare = [&](pg::Connection& connection) {
    return PrepareApply(session, made.task, repeatable, scope, connection, keys);
  };
  RETURN_IF_ERROR(RunStepWith(
      session, made.task, [&] { return RunTransactionalStep(session, made.task, prepare); },
      report));
  for (const Repeatable& definition : scope.definitions) {
    if (std::ranges::find(keys, definition.key()) == keys.end()) continue;
    Revision owner;
    owner.service = definition.service;
    touched.Add(owner, definition.script);
  }
  applied.insert(applied.end(), keys.begin(), keys.end());
  return absl::OkStatus();
}

absl::Status RunRepeatables(RunSession& session, const AppliedState& before, const Plan& plan,
                            const std::vector<PlannedRepeatable>& planned, Touched& touched,
                            RunReport& report) {
  const Definitions& definitions = session.graph.definitions();
  if (!AreAllHeads(session.graph, plan.to_heads)) {
    const std::size_t waiting = PendingRepeatables(definitions, before).size();
    if (waiting > 0) {
      session.journal.Emit(
          {.kind = "repeatables_wait",
           .message = absl::StrFormat("%d repeatable definitions wait until every service is at "
                                      "its head: lockstep upgrade head",
                                      waiting)});
    }
    return PutRepeatablesBack(session, touched, report);
  }
  // A revision may have dropped what a definition had made, so that its text could change.
  std::vector<PlannedRepeatable> pending = planned;
  std::optional<AppliedState> after;
  if (!plan.empty() && !definitions.repeatables.empty()) {
    ASSIGN_OR_RETURN(after, LoadState(session.connection, session.graph));
    pending = PendingRepeatables(definitions, *after);
  }
  const RepeatableScope scope{
      .definitions = definitions.repeatables,
      .known = KnownObjectsOf(definitions.repeatables, after.has_value() ? *after : before),
      .heads = plan.to_heads};
  std::vector<std::string> applied;
  for (const PlannedRepeatable& entry : pending) {
    if (entry.action == RepeatableAction::kApply) {
      RETURN_IF_ERROR(ApplyRepeatable(session, *entry.repeatable, scope, applied, touched, report));
    } else {
      RETURN_IF_ERROR(DropGone(session, entry, scope, touched, report));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Blocker>> FindRepeatableBlockers(
    pg::Connection& connection, const Definitions& definitions, const AppliedState& state,
    const std::vector<PlannedRepeatable>& planned) {
  std::vector<Blocker> blockers;
  const std::vector<KnownObject> known = KnownObjectsOf(definitions.repeatables, state);
  std::set<std::string> changing;  // their new text may need it no more
  for (const PlannedRepeatable& entry : planned) {
    if (entry.action == RepeatableAction::kApply) changing.insert(entry.key());
  }
  for (const PlannedRepeatable& entry : planned) {
    if (entry.action != RepeatableAction::kDrop) continue;
    std::set<std::string> roots;
    for (const RepeatableObject& object : entry.objects) roots.insert(object.identity);
    ASSIGN_OR_RETURN(Dependents dependents, FindDependents(connection, known, roots));
    for (const KnownObject& needs : dependents.goes) {
      if (needs.key.empty() || changing.contains(needs.key)) continue;
      dependents.others.push_back(needs.object.identity + " of repeatable " + needs.key);
    }
    if (dependents.others.empty()) continue;
    blockers.push_back({.kind = "repeatable",
                        .revision = RepeatableId(entry.key()),
                        .what = absl::StrJoin(dependents.others, ", ") + " needs " +
                                absl::StrJoin(roots, ", ") + ", which would be dropped",
                        .count = static_cast<std::int64_t>(dependents.others.size())});
  }
  return blockers;
}

}  // namespace lockstep::migration
