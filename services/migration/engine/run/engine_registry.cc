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
namespace {

constexpr std::size_t kLongestFootprint = 20'000;

// By id where the definitions know it. A revision that only a newer folder has is a fact too: the
// instance waits until it is there.
std::string IdOf(const Graph& graph, const std::string& revision) {
  if (revision.empty()) return revision;
  const auto position = ResolveRevision(graph, revision);
  return position.ok() ? graph.at(*position).id : revision;
}

// Manifest and plain fields say the same afterwards.
absl::StatusOr<RegisterOptions> Resolve(const Graph& graph, const RegisterOptions& instance) {
  RegisterOptions resolved = instance;
  resolved.required_revision = IdOf(graph, instance.required_revision);
  resolved.built_for = IdOf(graph, instance.built_for);
  BuildManifest& manifest = resolved.manifest;
  if (!manifest.service.empty() && manifest.service != instance.service) {
    return InvalidField("manifest.service", "MANIFEST_INVALID",
                        "the manifest is of another service than the instance");
  }
  if (!manifest.build.empty() && manifest.build != instance.build) {
    return InvalidField("manifest.build", "MANIFEST_INVALID",
                        "the manifest is of another build than the instance");
  }
  manifest.service = instance.service;
  manifest.build = instance.build;
  if (manifest.footprint.size() > kLongestFootprint) {
    return InvalidField("manifest.footprint", "MANIFEST_INVALID", "at most 20,000 names");
  }
  bool has_own = false;
  for (SchemaUse& use : manifest.uses) {
    if (!IsService(use.service)) return UnknownService("manifest.uses.service");
    use.required_revision = IdOf(graph, use.required_revision);
    use.built_for = IdOf(graph, use.built_for);
    has_own = has_own || use.service == instance.service;
  }
  if (!has_own && (!resolved.required_revision.empty() || !resolved.built_for.empty())) {
    manifest.uses.push_back({.service = instance.service,
                             .required_revision = resolved.required_revision,
                             .built_for = resolved.built_for});
  }
  return resolved;
}

}  // namespace

absl::StatusOr<Instance> Engine::Register(const Context& context, const RegisterOptions& instance) {
  ASSIGN_OR_RETURN(const RegisterOptions resolved, Resolve(graph_, instance));
  const std::vector<BuildInUse> builds = {
      {.manifest = resolved.manifest, .instance = resolved.id, .address = resolved.address}};
  const auto may = [&](const std::vector<std::string>& applied) -> absl::Status {
    RevisionSet positions;
    for (const std::string& id : applied) {
      if (const auto position = graph_.Find(id); position.has_value()) {
        positions.push_back(*position);
      }
    }
    const auto violation = Compatibility(graph_, builds).OfApplied(0, positions);
    if (!violation.has_value()) return absl::OkStatus();
    return Error(absl::StatusCode::kFailedPrecondition, "BUILD_RETIRED", violation->text())
        .With("revision", std::string_view(violation->revision))
        .With("object", std::string_view(violation->object));
  };
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return RegisterInstance(*connection, resolved, may);
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
