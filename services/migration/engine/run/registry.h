// Instances of the services: who runs, what each requires, and until when its lease counts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

// Inserts or replaces the instance. The row of the required revision is locked meanwhile, so an
// undo that starts at the same time either sees this instance or is seen by it.
absl::StatusOr<Instance> RegisterInstance(pg::Connection& connection,
                                          const RegisterOptions& options);
// NOT_FOUND (INSTANCE_UNKNOWN).
absl::StatusOr<Instance> RenewInstance(pg::Connection& connection, std::string_view id,
                                       absl::Duration ttl);
absl::Status RemoveInstance(pg::Connection& connection, std::string_view id);
absl::StatusOr<std::vector<Instance>> LoadInstances(pg::Connection& connection);

}  // namespace lockstep::migration
