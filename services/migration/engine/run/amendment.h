// `lockstep amend`: replaces a faulty down script of an applied step in the ledger's archive.
#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// What is to be replaced, checked as far as that goes without a database. Reasons: REASON_REQUIRED,
// AMENDMENT_INVALID (what the loader would refuse in a file), STEP_UNKNOWN, those of
// ResolveRevision.
struct Amendment {
  const Revision* revision = nullptr;
  const Step* step = nullptr;
  Script down;
};
absl::StatusOr<Amendment> ReadAmendment(const Graph& graph, const AmendOptions& options);

// Under the lease. STEP_NOT_APPLIED.
absl::Status RunAmend(RunSession& session, const Amendment& amendment, const AmendOptions& options);

// The checksums that each amended step of a revision had or has, by ordinal.
using AmendedSteps = std::map<int, std::set<std::string>>;

// The folder may still hold files from before an amendment: that is not an edit. Makes the
// checksums of `applied` equal to those of `in_files` where only amendments lie between them. Pure.
void AcceptAmended(const Revision& in_files, const AmendedSteps& amended, AppliedRevision& applied);

}  // namespace lockstep::migration
