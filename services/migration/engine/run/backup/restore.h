// A whole database back from a backup.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "services/migration/engine/run/backup/backup.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

struct RestoreOptions {
  std::string file = {};
  std::string checksum = {};  // hexadecimal SHA-256; "" = what FILE.sha256 says
  bool replace = false;       // also a database that is not empty: its schemas of ours are dropped
};

struct RestoreReport {
  std::string run_id;  // in the restored ledger
  std::string sha256;
  CurrentState current;  // what is applied now; empty when the restored ledger is an older one
  bool needs_bootstrap = false;
};

// Replaces the schemas of ours by what the backup has, in one transaction: whatever fails leaves
// everything as it was. Leases, runner sessions and instances of the restored ledger are void; the
// restore is in it as a run of kind "restore". Works as administrator where the engine has
// admin_url. `progress`: bytes of SQL sent so far. Reasons: CHECKSUM_MISSING, CHECKSUM_MISMATCH,
// BACKUP_FILE_NOT_READABLE, BACKUP_NOT_OURS, ROLES_MISSING, REQUIRED_BY_INSTANCE, RUN_IN_PROGRESS,
// DATABASE_NOT_EMPTY, FOREIGN_DEPENDENTS, PROGRAM_MISSING, RESTORE_FAILED,
// RUNNER_ON_REPLICA, RUNNER_BEHIND_POOLER.
absl::StatusOr<RestoreReport> RestoreBackup(const Context& context, const Engine& engine,
                                            const RestoreOptions& restore,
                                            const BackupProgress& progress);

// The table of contents of `pg_restore --list` without what belongs to the server itself: rights on
// its own functions, which bootstrap gives and only an administrator may. Pure.
std::string WithoutServersOwn(const std::string& list);
// Whether that is a backup of a database with our ledger. Pure.
bool IsOurs(const std::string& list);
// The schemas that it makes. Pure.
std::vector<std::string> SchemasIn(const std::string& list);

}  // namespace lockstep::migration
