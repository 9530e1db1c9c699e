// Part of plan_notes.h: what steps outside of transactions do to indexes of partitioned tables, and
// which locks that takes.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/plan_notes.h"

namespace lockstep::migration {

// Adds one note of kind "partitioned" for every statement of that kind. Only reads; what the
// database says.
absl::Status AddPartitioned(pg::Connection& connection, const RelationNames& was_there,
                            const std::vector<ComingStep>& steps, std::vector<PlanNote>& notes);

}  // namespace lockstep::migration
