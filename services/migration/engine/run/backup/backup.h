// Backups of the whole database through pg_dump, made while no run is under way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

struct BackupInfo {
  std::int64_t id = 0;
  std::string run_id;
  std::string file;  // absolute, on `host`
  std::string host;
  std::int64_t bytes = 0;
  std::string sha256;   // hexadecimal
  std::string heads;    // "catalog@aaaa, orders@bbbb" when it was made; "" = nothing was applied
  std::string release;  // "" = none was applied completely
  int server_version = 0;
  std::string actor;
  absl::Time started_at;
  absl::Time finished_at;
};

// How many bytes there are so far, about once a second.
using BackupProgress = std::function<void(std::int64_t bytes)>;

// "lockstep-DATABASE-20251001T073000Z.dump" in the working folder. Pure.
std::string DefaultBackupName(const std::string& database, absl::Time now);

// Writes `file` ("" = the default name) and "FILE.sha256" with pg_dump's custom format, one
// consistent snapshot, as a run of kind "backup" under the lease; a cancelled context or run ends
// pg_dump and leaves no file. Dumps as administrator where the engine has admin_url. Reasons:
// BACKUP_FILE_EXISTS, BACKUP_FILE_NOT_WRITABLE, PROGRAM_MISSING, BACKUP_FAILED (pg_dump's words),
// those of everything that takes the lease.
absl::StatusOr<BackupInfo> TakeBackup(const Context& context, const Engine& engine,
                                      const std::string& file, EventSink& sink,
                                      const BackupProgress& progress);

// Newest first.
absl::StatusOr<std::vector<BackupInfo>> ListBackups(const Context& context, const Engine& engine,
                                                    int limit);

}  // namespace lockstep::migration
