// Keeps what an undo would destroy, inside the undo's transaction (undo.h), until it expires, and
// brings it back.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/transactional_step.h"

namespace lockstep::migration {

struct ArchiveScope {
  // This step also keeps declared rows of tables that no step's script visibly touches.
  bool with_undeclared_rows = false;
  // The guard was asked in this transaction and found nothing.
  bool guard_is_silent = false;
};

// Fills `prepared` (statements, schemas, ledger rows, events) for the step. Called in the owner's
// role with the tables locked; leaves the role as it was. ARCHIVE_IMPOSSIBLE.
absl::Status KeepWhatGoes(RunSession& session, const StepTask& task, const ArchiveScope& scope,
                          pg::Connection& connection, Prepared& prepared);

// What KeepWhatGoes would say now, before anything is undone.
struct KeepQuestion {
  // What the revision's guard finds now; nullopt = what it will find in its turn is not known.
  std::optional<bool> guard_is_silent;
  // Whether what is undone before the step changes the table, so that now says nothing about then.
  std::function<bool(const std::string& table)> may_change;
};
// ARCHIVE_IMPOSSIBLE when it is sure that the step will be refused; else whether there is something
// to keep. Only reads.
absl::StatusOr<bool> MayBeKept(const StepTask& task, const KeepQuestion& question,
                               pg::Connection& connection);

// What the ledger knows of archives, newest first; `before` continues a listing (0 = from the
// newest).
absl::StatusOr<std::vector<ArchivedData>> LoadArchives(pg::Connection& connection, int limit,
                                                       std::int64_t before);
// ARCHIVE_NOT_FOUND.
absl::StatusOr<ArchivedData> LoadArchive(pg::Connection& connection, std::int64_t archive_id);

// OK, ARCHIVE_RESTORED or ARCHIVE_REVISION_NOT_APPLIED.
absl::Status MayRestore(pg::Connection& connection, const ArchivedData& archived);

// Brings it back in one transaction in the owner's role, and records that. Those of MayRestore;
// RESTORE_FAILED; LOCK_TIMEOUT.
absl::Status RestoreArchived(RunSession& session, std::int64_t archive_id);

// Drops the archives past their expiry, each in a transaction of its own. `purged` counts them,
// also when it fails.
absl::Status PurgeExpiredArchives(RunSession& session, int& purged);

}  // namespace lockstep::migration
