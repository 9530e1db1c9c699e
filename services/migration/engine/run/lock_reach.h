// Which relations locks are about: what their reach means in the catalog.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {

// "WITH RECURSIVE ..., wanted AS (...)" in front of a query: columns oid and modes. $1 to $5:
// arrays of schema, name, reach, part and an array of modes as text, an entry per lock.
extern const char kWantedRelations[];

// Those parameters. `modes_of` says which modes go with a lock: '{AccessShareLock,...}'.
std::array<std::string, 5> WantedArrays(const std::vector<RelationLock>& locks,
                                        const std::function<std::string(LockMode)>& modes_of);

// The strongest mode on each relation that there is, by "schema.name".
absl::StatusOr<std::map<std::string, LockMode>> ResolveLocks(
    pg::Connection& connection, const std::vector<RelationLock>& locks);

}  // namespace lockstep::migration
