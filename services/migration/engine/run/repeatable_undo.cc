// Repeatable definitions around a downgrade; see repeatable_run.h.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/repeatables.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/repeatable_ledger.h"
#include "services/migration/engine/run/repeatable_run.h"
#include "services/migration/engine/run/step_runner.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

std::vector<KnownObject> ObjectsOf(const AppliedState& state) {
  std::vector<KnownObject> known;
  for (const auto& [key, applied] : state.repeatables) {
    for (const RepeatableObject& object : applied.objects) known.push_back({object, key});
  }
  return known;
}

// Keys of what belongs to `services` or speaks of their schemas.
absl::StatusOr<std::set<std::string>> KeysAbout(pg::Connection& connection,
                                                const std::set<std::string>& services) {
  ASSIGN_OR_RETURN(const std::vector<RepeatableBody> bodies, LoadAppliedBodies(connection));
  std::set<std::string> keys;
  for (const RepeatableBody& body : bodies) {
    bool is_about = services.contains(body.service);
    const auto script = ReadScript(body.key(), body.body);
    if (script.ok()) {
      for (const std::string& schema : script->facts.schemas) {
        is_about = is_about || services.contains(std::string(OwnerOf(schema)));
      }
    }
    if (is_about) keys.insert(body.key());
  }
  return keys;
}

PlannedRepeatable Planned(const AppliedRepeatable& applied) {
  return {.action = RepeatableAction::kSetAside,
          .service = applied.service,
          .name = applied.name,
          .applied_checksum = applied.checksum,
          .objects = applied.objects};
}

// The newest body that fits what is applied now; nullopt: none, or its file was gone then.
std::optional<RepeatableBody> Fitting(const std::vector<RepeatableBody>& bodies,
                                      const std::string& key, const AppliedState& state) {
  for (const RepeatableBody& body : bodies) {
    if (body.key() != key) continue;
    const bool fits = std::all_of(body.heads.begin(), body.heads.end(), [&](const auto& head) {
      const auto revision = state.revisions.find(head.substr(head.find('@') + 1));
      return revision != state.revisions.end() && revision->second.is_complete;
    });
    if (!fits) continue;
    return body.is_vanished ? std::nullopt : std::optional(body);
  }
  return std::nullopt;
}

// What is left of one that has no place in this state goes, unless something needs it.
absl::Status Forget(RunSession& session, const AppliedRepeatable& applied,
                    const std::vector<KnownObject>& known, RunReport& report) {
  std::set<std::string> roots;
  for (const RepeatableObject& object : applied.objects) roots.insert(object.identity);
  const RepeatableTask made(applied.service, RepeatableId(applied.key()), "forget",
                            Direction::kDown, Script());
  const auto prepare = [&](pg::Connection& connection) -> absl::StatusOr<Prepared> {
    RETURN_IF_ERROR(connection.Script("SET LOCAL ROLE NONE").status());
    ASSIGN_OR_RETURN(const Dependents dependents, FindDependents(connection, known, roots));
    RETURN_IF_ERROR(connection.Script(EnterRoleSql(OwnerRole(applied.service))).status());
    Prepared prepared;
    const bool is_needed =
        !dependents.others.empty() ||
        std::any_of(dependents.goes.begin(), dependents.goes.end(),
                    [&](const KnownObject& entry) { return entry.key != applied.key(); });
    if (is_needed) {
      prepared.events.push_back(
          made.task.Event("warning", "what repeatable " + applied.key() +
                                         " made stays, because something needs "
                                         "it: " +
                                         absl::StrJoin(roots, ", ")));
    } else {
      prepared.statements =
          DropStatements(dependents.goes, applied.service, prepared.extra_schemas);
    }
    prepared.record_sql = ForgetRepeatableSql(session.sql, applied.service, applied.name);
    return prepared;
  };
  return RunStepWith(
      session, made.task, [&] { return RunTransactionalStep(session, made.task, prepare); },
      report);
}

}  // namespace

RelationNames NamesOf(const SetAside& aside) {
  RelationNames names;
  for (const KnownObject& each : aside.goes) names.insert(each.object.name);
  return names;
}

absl::StatusOr<SetAside> FindInTheWay(pg::Connection& connection, const Graph& graph,
                                      const Plan& plan) {
  SetAside found;
  std::set<std::string> services;
  for (const PlanItem& item : plan.items) services.insert(graph.at(item.position).service);
  found.services.assign(services.begin(), services.end());
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(connection, graph));
  ASSIGN_OR_RETURN(pg::Result vanished, connection.Query(VanishedSql(found.services)));
  found.has_vanished = !vanished.empty();
  const std::vector<KnownObject> known = ObjectsOf(state);
  ASSIGN_OR_RETURN(std::set<std::string> keys, KeysAbout(connection, services));
  std::set<std::string> roots;
  for (const KnownObject& entry : known) {
    if (!keys.contains(entry.key)) continue;
    ASSIGN_OR_RETURN(const Dependents alone,
                     FindDependents(connection, known, {entry.object.identity}));
    if (alone.others.empty()) {
      roots.insert(entry.object.identity);
    } else {
      found.stays.push_back(entry.object.identity + ": needed by " +
                            absl::StrJoin(alone.others, ", "));
    }
  }
  ASSIGN_OR_RETURN(Dependents dependents, FindDependents(connection, known, roots));
  found.goes = std::move(dependents.goes);
  for (const KnownObject& entry : found.goes) keys.insert(entry.key);
  for (const std::string& key : keys) {
    const auto applied = state.repeatables.find(key);
    if (applied != state.repeatables.end()) found.repeatables.push_back(Planned(applied->second));
  }
  return found;
}

absl::Status SetRepeatablesAside(RunSession& session, const Plan& plan, Touched& touched,
                                 RunReport& report) {
  if (plan.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const SetAside first, FindInTheWay(session.connection, session.graph, plan));
  for (const std::string& stays : first.stays) {
    session.journal.Emit(
        {.kind = "warning", .message = "a repeatable definition is not set aside: " + stays});
  }
  if (first.repeatables.empty()) {
    return first.has_vanished
               ? RecordInLedger(session, "the record of vanished repeatable definitions",
                                RememberVanishedSql(session.sql, first.services), {})
               : absl::OkStatus();
  }
  std::string text;
  for (const KnownObject& entry : first.goes) text += entry.DropSql() + ";\n";
  ASSIGN_OR_RETURN(Script script, ReadScript("repeatable", text));
  const RepeatableTask made(first.repeatables.front().service, RepeatableId("*"),
                            ToText(RepeatableAction::kSetAside), Direction::kDown,
                            std::move(script));
  const auto prepare = [&](pg::Connection& connection) -> absl::StatusOr<Prepared> {
    RETURN_IF_ERROR(connection.Script("SET LOCAL ROLE NONE").status());
    // Somebody may have built something on it since.
    ASSIGN_OR_RETURN(const SetAside now, FindInTheWay(connection, session.graph, plan));
    RETURN_IF_ERROR(connection.Script(EnterRoleSql(OwnerRole(made.revision.service))).status());
    Prepared prepared;
    prepared.statements = DropStatements(now.goes, made.revision.service, prepared.extra_schemas);
    for (const PlannedRepeatable& entry : now.repeatables) {
      prepared.record_sql += SetAsideRepeatableSql(session.sql, entry.service, entry.name);
    }
    prepared.record_sql += RememberVanishedSql(session.sql, now.services);
    return prepared;
  };
  RETURN_IF_ERROR(RunStepWith(
      session, made.task, [&] { return RunTransactionalStep(session, made.task, prepare); },
      report));
  for (const PlannedRepeatable& entry : first.repeatables) touched.services.insert(entry.service);
  return absl::OkStatus();
}

absl::Status PutRepeatablesBack(RunSession& session, Touched& touched, RunReport& report) {
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(session.connection, session.graph));
  if (!HasWork(Plan(), {}, state)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<RepeatableBody> bodies,
                   LoadBodiesOfSetAside(session.connection));
  std::vector<ReadRepeatableResult> read;
  std::vector<const AppliedRepeatable*> forgotten;
  // They were found right when they were applied, maybe by other rules.
  std::vector<Problem> ignored;
  AppliedState aside;  // nothing else may be dropped
  for (const auto& [key, applied] : state.repeatables) {
    if (!applied.is_set_aside) continue;
    aside.repeatables[key] = applied;
    const std::optional<RepeatableBody> body = Fitting(bodies, key, state);
    if (!body.has_value()) {
      forgotten.push_back(&applied);
      continue;
    }
    read.push_back(ReadRepeatable(
        applied.service, applied.name,
        applied.service + "/" + kRepeatableFolder + "/" + applied.name + ".sql (as it was then)",
        body->body, ignored));
  }
  const std::vector<Repeatable> definitions = OrderRepeatables(std::move(read), ignored);
  const RepeatableScope scope{.definitions = definitions,
                              .known = KnownObjectsOf(definitions, aside),
                              .heads = HeadsOf(session.graph, state)};
  std::vector<std::string> applied;
  for (const Repeatable& definition : definitions) {
    const absl::Status put_back =
        ApplyRepeatable(session, definition, scope, applied, touched, report);
    if (ReasonOf(put_back) != "REPEATABLE_IN_USE" && ReasonOf(put_back) != "STEP_FAILED") {
      RETURN_IF_ERROR(put_back);
      continue;
    }
    // The undos are done; what somebody built on a definition, or that its text does not fit here
    // after all, must not keep the run from its end.
    session.journal.Emit(
        {.kind = "warning",
         .message = "repeatable " + definition.key() +
                    " could not be put back as it was then: " + MessageOf(put_back)});
    forgotten.push_back(&state.repeatables.at(definition.key()));
  }
  for (const AppliedRepeatable* entry : forgotten) {
    RETURN_IF_ERROR(Forget(session, *entry, ObjectsOf(state), report));
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration
