// `lockstep amend`: replaces a faulty down script of an applied step in the ledger's archive.
#pragma once

#include "absl/status/status.h"
#include "services/migration/engine/run/engine.h"
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

}  // namespace lockstep::migration
