// Creates what must be there before the first revision: roles, schemas, the ledger. See `lockstep
// bootstrap`.
#pragma once

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/engine_values.h"

namespace lockstep::migration {

inline constexpr char kMigratorRole[] = "lockstep_migrator";

// `administrator` may create roles and schemas. Safe to repeat and to run twice at once.
// FAILED_PRECONDITION (SERVER_TOO_OLD, LEDGER_TOO_NEW).
absl::StatusOr<BootstrapReport> RunBootstrap(pg::Connection& administrator);

}  // namespace lockstep::migration
