#include <memory>
#include <string>
#include <utility>

#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/run.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {

absl::StatusOr<std::vector<ArchivedData>> Engine::ListArchives(const Context& context, int limit,
                                                               std::int64_t before) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return LoadArchives(*connection, limit, before);
}

absl::StatusOr<ArchivedData> Engine::GetArchive(const Context& context,
                                                std::int64_t archive_id) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return LoadArchive(*connection, archive_id);
}

absl::StatusOr<ArchivedData> Engine::RestoreArchive(const Context& context, std::int64_t archive_id,
                                                    const RunOptions& run, EventSink& sink) {
  ASSIGN_OR_RETURN(auto connection, OpenLedgerSession(options_, context));
  // A request that cannot be met leaves no run in the ledger.
  ASSIGN_OR_RETURN(const ArchivedData archived, LoadArchive(*connection, archive_id));
  RETURN_IF_ERROR(MayRestore(*connection, archived));
  RETURN_IF_ERROR(MayRunNow(*connection, ""));
  connection->SetIoDeadline(absl::InfiniteFuture());
  const RunRequest request = {.kind = "restore",
                              .target = std::to_string(archive_id),
                              .run_id = run.run_id.empty() ? NewUuid() : run.run_id};
  const RunBody restore = [&](RunSession& session, RunReport&) -> absl::Status {
    RETURN_IF_ERROR(MayBegin(session));
    return RestoreArchived(session, archive_id);
  };
  RETURN_IF_ERROR(
      RunUnderLease(context, options_, graph_, request, std::move(connection), sink, restore)
          .status());
  return GetArchive(context, archive_id);
}

absl::StatusOr<int> Engine::PurgeArchives(const Context& context) {
  ASSIGN_OR_RETURN(auto connection, OpenLedgerSession(options_, context));
  RETURN_IF_ERROR(MayRunNow(*connection, ""));
  connection->SetIoDeadline(absl::InfiniteFuture());
  NullEventSink sink;
  int purged = 0;
  const RunRequest request = {.kind = "purge", .target = "archives", .run_id = NewUuid()};
  const RunBody purge = [&](RunSession& session, RunReport&) -> absl::Status {
    RETURN_IF_ERROR(MayBegin(session));
    return PurgeExpiredArchives(session, purged);
  };
  RETURN_IF_ERROR(
      RunUnderLease(context, options_, graph_, request, std::move(connection), sink, purge)
          .status());
  return purged;
}

}  // namespace lockstep::migration
