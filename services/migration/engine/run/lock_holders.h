// Who holds the locks that a step waits for, or is going to ask for. Only reads the server's views;
// what those hide from the migrator is told as not known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "nlohmann/json_fwd.hpp"
#include "services/migration/engine/run/holder_kind.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {

// A session, or a prepared transaction, that stands in the way.
struct LockHolder {
  int pid = 0;  // 0: a prepared transaction
  HolderKind kind = HolderKind::kOrdinary;
  std::string user = {};
  std::string application = {};
  std::string state = {};
  std::string query = {};  // at most 500 characters; of a prepared transaction its name
  std::string began = {};  // of its transaction, as the server prints it; "" = not known
  std::optional<absl::Duration> age = {};  // of its transaction
  std::string relation = {};  // "core.orders", one of those that it holds; "" = not asked

  // "pid 4711 (orders_app, lockstep-orders, idle in transaction for 12 s): SELECT ..."
  std::string text() const;
  // What a person can do about it, in one sentence.
  std::string advice() const;
  // Tells holders apart.
  std::string key() const;
};

// [{"pid": 4711, "kind": "dump", ...}, ...], as events carry it.
nlohmann::json ToJson(const std::vector<LockHolder>& holders);

// Who keeps the backend `pid` waiting now, ordered by pid. One query.
absl::StatusOr<std::vector<LockHolder>> HoldersInTheWayOf(pg::Connection& connection, int pid);

// Who holds a lock that conflicts with one of `wanted`, without `connection` itself, ordered by
// pid. A relation that does not exist is held by nobody. One quick query when nobody in this
// database holds anything.
absl::StatusOr<std::vector<LockHolder>> HoldersAgainst(pg::Connection& connection,
                                                       const std::vector<RelationLock>& wanted);

}  // namespace lockstep::migration
