// Certificates in the ledger.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/measure/certificate.h"

namespace lockstep::migration {

absl::Status KeepCertificates(pg::Connection& connection, const std::string& actor,
                              const std::vector<StepCertificate>& certificates);

// The newest of each step that `plan`, an upgrade, would run: of the step as it stands, on a server
// of the same major version. The others have none.
absl::StatusOr<StepCertificates> LoadCertificates(pg::Connection& connection, const Graph& graph,
                                                  const Plan& plan);

}  // namespace lockstep::migration
