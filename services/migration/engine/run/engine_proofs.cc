// What is proven on scratch databases, and what is found by looking at the live one.
#include "common/status/macros.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/measure/certificate_ledger.h"
#include "services/migration/engine/run/scratch/proof_ledger.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {

absl::StatusOr<RehearsalReport> Engine::Rehearse(const Context& context, std::string_view target,
                                                 Trip trip, const RehearsalProgress& progress) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(*connection, graph_));
  ASSIGN_OR_RETURN(const Plan plan, PlanUpgrade(graph_, state, target));
  if (plan.empty()) return RehearsalReport();
  ASSIGN_OR_RETURN(RehearsalReport report,
                   RehearsePlan(context, options_, graph_, state, plan, trip, progress));
  // A trip that does not come back proves nothing of the way back.
  if (trip == Trip::kUpAndBack) {
    RETURN_IF_ERROR(RecordRehearsal(*connection, ActorOf(options_), report));
  }
  for (const RehearsedRevision& each : report.revisions) {
    RETURN_IF_ERROR(KeepCertificates(*connection, ActorOf(options_), each.certificates));
  }
  return report;
}

absl::StatusOr<DriftReport> Engine::DetectDrift(const Context& context) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(*connection, graph_));
  return FindDrift(context, options_, graph_, state);
}

absl::StatusOr<DiagnosisReport> Engine::Diagnose(const Context& context,
                                                 std::string_view expected_head) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return Examine(*connection, expected_head);
}

}  // namespace lockstep::migration
