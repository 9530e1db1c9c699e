#include "common/status/macros.h"
#include "common/time/proto.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {

v1::SchemaUse ToProto(const SchemaUse& use) {
  v1::SchemaUse message;
  message.set_service(use.service);
  message.set_required_revision(use.required_revision);
  message.set_built_for(use.built_for);
  return message;
}

BuildManifest FromProto(const v1::BuildManifest& message) {
  BuildManifest manifest;
  manifest.service = message.service();
  manifest.build = message.build();
  for (const v1::SchemaUse& use : message.uses()) {
    manifest.uses.push_back({use.service(), use.required_revision(), use.built_for()});
  }
  manifest.footprint.insert(message.footprint().begin(), message.footprint().end());
  return manifest;
}

v1::Gate ToProto(const GateInfo& gate) {
  v1::Gate message;
  message.set_revision(gate.revision);
  message.set_service(gate.service);
  message.set_title(gate.title);
  for (const std::string& object : gate.objects) message.add_objects(object);
  message.set_is_open(gate.state.is_open());
  for (const Violation& violation : gate.state.violations) {
    v1::GateBlocker* blocker = message.add_blockers();
    blocker->set_instance_id(violation.instance);
    blocker->set_service(violation.service);
    blocker->set_build(violation.build);
    blocker->set_object(violation.object);
    blocker->set_why(violation.why);
    blocker->set_remedy(violation.remedy);
    if (violation.until.has_value()) {
      *blocker->mutable_expire_time() = time::ToProto(*violation.until);
    }
  }
  for (const Stranger& stranger : gate.state.strangers) {
    v1::GateSession* session = message.add_sessions();
    session->set_pid(stranger.pid);
    session->set_role(stranger.role);
    session->set_application_name(stranger.application_name);
    session->set_client(stranger.client);
  }
  if (gate.soak_needs > absl::ZeroDuration()) {
    message.mutable_soak()->set_seconds(absl::ToInt64Seconds(gate.soak_needs));
  }
  if (gate.soak.has_value()) {
    *message.mutable_soak_start_time() = time::ToProto(gate.soak->started_at);
    message.set_soak_restarts(gate.soak->restarts);
    message.set_is_soak_met(gate.soak->is_met);
  }
  return message;
}

v1::Build ToProto(const BuildInfo& build) {
  v1::Build message;
  v1::BuildManifest* manifest = message.mutable_manifest();
  manifest->set_service(build.manifest.service);
  manifest->set_build(build.manifest.build);
  for (const SchemaUse& use : build.manifest.uses) *manifest->add_uses() = ToProto(use);
  for (const std::string& name : build.manifest.footprint) manifest->add_footprint(name);
  *message.mutable_first_seen_time() = time::ToProto(build.first_seen_at);
  *message.mutable_last_seen_time() = time::ToProto(build.last_seen_at);
  message.set_live_instances(build.live_instances);
  message.set_is_kept(build.kept_at.has_value());
  if (build.kept_at.has_value()) *message.mutable_keep_time() = time::ToProto(*build.kept_at);
  message.set_kept_by(build.kept_by);
  message.set_keep_reason(build.kept_reason);
  return message;
}

absl::StatusOr<v1::ListGatesResponse> Api::ListGates(const Context& context,
                                                     const v1::ListGatesRequest&) {
  ASSIGN_OR_RETURN(const std::vector<GateInfo> gates, engine_.ListGates(context));
  v1::ListGatesResponse response;
  for (const GateInfo& gate : gates) *response.add_gates() = ToProto(gate);
  return response;
}

absl::StatusOr<v1::ListBuildsResponse> Api::ListBuilds(const Context& context,
                                                       const v1::ListBuildsRequest&) {
  ASSIGN_OR_RETURN(const std::vector<BuildInfo> builds, engine_.ListBuilds(context));
  v1::ListBuildsResponse response;
  for (const BuildInfo& build : builds) *response.add_builds() = ToProto(build);
  return response;
}

absl::StatusOr<v1::MarkBuildResponse> Api::MarkBuild(const Context& context,
                                                     const v1::MarkBuildRequest& request) {
  ASSIGN_OR_RETURN(const BuildInfo build, engine_.KeepBuild(context, request.service(),
                                                            request.build(), request.reason()));
  v1::MarkBuildResponse response;
  *response.mutable_build() = ToProto(build);
  return response;
}

absl::StatusOr<v1::UnmarkBuildResponse> Api::UnmarkBuild(const Context& context,
                                                         const v1::UnmarkBuildRequest& request) {
  ASSIGN_OR_RETURN(const BuildInfo build,
                   engine_.ReleaseBuild(context, request.service(), request.build()));
  v1::UnmarkBuildResponse response;
  *response.mutable_build() = ToProto(build);
  return response;
}

}  // namespace lockstep::migration
