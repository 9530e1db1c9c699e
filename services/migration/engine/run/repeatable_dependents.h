// What hangs on the objects of repeatable definitions, from PostgreSQL's own record of
// dependencies. Bodies of functions that are text leave no trace there. Only reads.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

// An object of a repeatable definition.
struct KnownObject {
  RepeatableObject object;
  std::string key;  // of its definition; "" = of none any more: it is to be dropped

  std::string service() const;  // that owns its schema
  // "DROP VIEW core.stock"
  std::string DropSql() const;
};

struct Dependents {
  std::vector<KnownObject> goes;  // the roots that exist and what needs them, in the order of drops
  std::vector<std::string>
      others;  // what needs them and is in no repeatable definition, for people
};

// Everything that would have to go for the objects of `roots` (identities) to go. Of objects that
// two entries of `known` name the first counts. To be asked as the migrator.
absl::StatusOr<Dependents> FindDependents(pg::Connection& connection,
                                          const std::vector<KnownObject>& known,
                                          const std::set<std::string>& roots);

}  // namespace lockstep::migration
