#include <cstddef>
#include <cstdint>
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

absl::StatusOr<bool> Engine::IsApplied(const Context& context, std::string_view service,
                                       std::string_view revision) const {
  if (!IsService(service)) return UnknownService("service");
  std::vector<std::string> wanted;
  if (revision.empty()) {
    for (const std::size_t head : graph_.Heads(graph_.OfService(service))) {
      wanted.push_back(graph_.at(head).id);
    }
  } else {
    ASSIGN_OR_RETURN(const std::size_t position, ResolveRevision(graph_, revision));
    if (graph_.at(position).service != service) {
      return Error(absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
                   graph_.at(position).id + " is a revision of " + graph_.at(position).service +
                       ", not of " + std::string(service))
          .With("target", revision);
    }
    wanted.push_back(graph_.at(position).id);
  }
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection->Query("SELECT count(*) AS n FROM migration.applied_revisions"
                                     " WHERE revision = ANY ($1::text[])",
                                     pg::ArrayLiteral(wanted)));
  return rows[0].Get<std::int64_t>("n") == static_cast<std::int64_t>(wanted.size());
}

}  // namespace lockstep::migration
