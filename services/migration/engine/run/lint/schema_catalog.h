// The live catalog as the linter needs it.
#pragma once

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/lint/schema_model.h"

namespace lockstep::migration {

// Everything outside of PostgreSQL's own schemas and the ledger: tables with their sizes, columns,
// indexes, constraints, who depends on them, types, the server's version, and who has been in a
// transaction for more than a minute. Only reads; a handful of queries however many tables there
// are.
absl::StatusOr<SchemaModel> LoadSchemaModel(pg::Connection& connection);

}  // namespace lockstep::migration
