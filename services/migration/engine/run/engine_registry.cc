#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/registry.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/target.h"

namespace lockstep::migration {

absl::StatusOr<Instance> Engine::Register(const Context& context, const RegisterOptions& instance) {
  RegisterOptions resolved = instance;
  if (!instance.required_revision.empty()) {
    // A revision that only a newer folder has is a fact too: the instance waits until it is there.
    const auto position = ResolveRevision(graph_, instance.required_revision);
    if (position.ok()) resolved.required_revision = graph_.at(*position).id;
  }
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return RegisterInstance(*connection, resolved);
}

absl::StatusOr<Instance> Engine::Heartbeat(const Context& context, std::string_view instance_id,
                                           absl::Duration ttl) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return RenewInstance(*connection, instance_id, ttl);
}

absl::Status Engine::Deregister(const Context& context, std::string_view instance_id) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return RemoveInstance(*connection, instance_id);
}

absl::StatusOr<std::vector<Instance>> Engine::Instances(const Context& context) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return LoadInstances(*connection);
}

namespace {

// The ids that have to be applied for `wanted`.
absl::StatusOr<std::vector<std::string>> IdsOf(const Graph& graph, const WantedRevision& wanted) {
  const bool is_of_any = wanted.service.empty() && !wanted.revision.empty();
  if (!is_of_any && !IsService(wanted.service)) return UnknownService("service");
  std::vector<std::string> ids;
  if (wanted.revision.empty()) {
    for (const std::size_t head : graph.Heads(graph.OfService(wanted.service))) {
      ids.push_back(graph.at(head).id);
    }
    return ids;
  }
  ASSIGN_OR_RETURN(const std::size_t position, ResolveRevision(graph, wanted.revision));
  const Revision& revision = graph.at(position);
  if (!is_of_any && revision.service != wanted.service) {
    return Error(
               absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
               revision.id + " is a revision of " + revision.service + ", not of " + wanted.service)
        .With("target", std::string_view(wanted.revision));
  }
  ids.push_back(revision.id);
  return ids;
}

}  // namespace

absl::StatusOr<bool> Engine::IsApplied(const Context& context, std::string_view service,
                                       std::string_view revision) const {
  const WantedRevision wanted{.service = std::string(service), .revision = std::string(revision)};
  // What is wrong with the question needs no database.
  RETURN_IF_ERROR(IdsOf(graph_, wanted).status());
  ASSIGN_OR_RETURN(const auto applied, AreApplied(context, {wanted}));
  return applied[0];
}

absl::StatusOr<std::vector<absl::StatusOr<bool>>> Engine::AreApplied(
    const Context& context, const std::vector<WantedRevision>& wanted) const {
  std::vector<absl::StatusOr<std::vector<std::string>>> ids;
  std::set<std::string> all;
  for (const WantedRevision& one : wanted) {
    ids.push_back(IdsOf(graph_, one));
    if (ids.back().ok()) all.insert(ids.back()->begin(), ids.back()->end());
  }
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      connection->Query("SELECT revision FROM migration.applied_revisions"
                        " WHERE revision = ANY ($1::text[])",
                        pg::ArrayLiteral(std::vector<std::string>(all.begin(), all.end()))));
  std::set<std::string> applied;
  for (const pg::Row row : rows) applied.insert(row.Text("revision"));
  std::vector<absl::StatusOr<bool>> answers;
  for (const auto& of_one : ids) {
    if (!of_one.ok()) {
      answers.emplace_back(of_one.status());
    } else {
      answers.emplace_back(std::ranges::all_of(
          *of_one, [&applied](const std::string& id) { return applied.contains(id); }));
    }
  }
  return answers;
}

}  // namespace lockstep::migration
