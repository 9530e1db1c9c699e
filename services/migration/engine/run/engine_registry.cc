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
