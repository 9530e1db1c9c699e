// What must hold before a database is replaced by a backup, and the SQL around what pg_restore
// writes. Internal to restore.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/backup/restore.h"

namespace lockstep::migration {

struct RestoreTarget {
  std::vector<std::string> schemas;  // that are there and go
  bool has_ledger = false;
  std::int64_t lease_token = 0;
};

struct RestoreSql {
  std::string before;  // BEGIN, the checks again, DROP
  std::string after;   // voids leases, records the run, COMMIT
};

absl::Status RunIsUnderWay(const std::string& who);

// `in_backup`: the schemas that the backup makes. Reasons: see RestoreBackup().
absl::StatusOr<RestoreTarget> MayRestoreInto(pg::Connection& connection,
                                             const std::vector<std::string>& in_backup,
                                             bool replace);

RestoreSql RestoreSqlFor(const RestoreTarget& target, const std::string& file,
                         const RestoreReport& report, const std::string& actor);

}  // namespace lockstep::migration
