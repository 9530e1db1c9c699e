#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/build_ledger.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/soak.h"

namespace lockstep::migration {

absl::StatusOr<std::vector<GateInfo>> Engine::ListGates(const Context& context) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(*connection, graph_));
  std::vector<GateInfo> gates;
  for (std::size_t i = 0; i < graph_.size(); ++i) {
    const Revision& revision = graph_.at(i);
    const auto applied = state.revisions.find(revision.id);
    const bool is_done = applied != state.revisions.end() && applied->second.is_complete;
    if (revision.phase != Phase::kContract || is_done) continue;
    GateInfo gate;
    gate.revision = revision.id;
    gate.service = revision.service;
    gate.title = revision.title;
    gate.objects = TakingsOf(revision).objects;
    gate.soak_needs = SoakOf(options_, revision);
    ASSIGN_OR_RETURN(gate.state, LookAtGate(*connection, graph_, i));
    ASSIGN_OR_RETURN(gate.soak, LoadSoak(*connection, revision.id, gate.soak_needs));
    gates.push_back(std::move(gate));
  }
  return gates;
}

absl::StatusOr<std::vector<BuildInfo>> Engine::ListBuilds(const Context& context) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return LoadBuilds(*connection);
}

absl::StatusOr<BuildInfo> Engine::KeepBuild(const Context& context, std::string_view service,
                                            std::string_view build, std::string_view reason) {
  if (reason.empty()) {
    return InvalidField("reason", "REASON_REQUIRED", "say why the build is kept");
  }
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return MarkBuild(*connection, options_, service, build, reason);
}

absl::StatusOr<BuildInfo> Engine::ReleaseBuild(const Context& context, std::string_view service,
                                               std::string_view build) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return MarkBuild(*connection, options_, service, build, "");
}

}  // namespace lockstep::migration
