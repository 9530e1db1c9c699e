// Instances of the services: who runs, what each requires, and until when its lease counts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

// Whether an instance may serve, given the revisions of which at least one step is applied.
using MayServe = absl::FunctionRef<absl::Status(const std::vector<std::string>& applied)>;

// Inserts or replaces the instance and its build, unless `may` refuses. The rows of all required
// revisions are locked meanwhile, and contracts of the owners that it uses are held off, so an undo
// or a contract that starts at the same time either sees this instance or is seen by it.
absl::StatusOr<Instance> RegisterInstance(pg::Connection& connection,
                                          const RegisterOptions& options, const MayServe& may);
// NOT_FOUND (INSTANCE_UNKNOWN).
absl::StatusOr<Instance> RenewInstance(pg::Connection& connection, std::string_view id,
                                       absl::Duration ttl);
absl::Status RemoveInstance(pg::Connection& connection, std::string_view id);
absl::StatusOr<std::vector<Instance>> LoadInstances(pg::Connection& connection);

}  // namespace lockstep::migration
