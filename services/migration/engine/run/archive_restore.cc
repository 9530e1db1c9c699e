#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"
#include "services/migration/engine/run/archive_restore_sql.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

constexpr char kColumns[] =
    "SELECT archive_id, run_id, revision, kind, source, kept_as, row_count, restore_sql,"
    "  created_at, expires_at, restored_at, restored_rows FROM migration.archives";

// Rows are many or few; what ends a long statement is the attendant, when the caller goes away or
// cancels.
constexpr Limits kLimits = {.lock_timeout_ms = 2'000, .statement_timeout_ms = 0};

ArchivedData ArchiveFromRow(const pg::Row& row) {
  ArchivedData archived;
  archived.id = row.Get<std::int64_t>("archive_id");
  archived.run_id = row.Text("run_id");
  archived.revision = row.Text("revision");
  archived.kind = row.Text("kind");
  archived.source = row.Text("source");
  archived.kept_as = row.Text("kept_as");
  archived.row_count = row.Get<std::int64_t>("row_count");
  archived.restore_sql = row.Text("restore_sql");
  archived.created_at = row.Get<absl::Time>("created_at");
  archived.expires_at = row.Get<absl::Time>("expires_at");
  archived.restored_at = row.Optional<absl::Time>("restored_at");
  archived.restored_rows = row.Optional<std::int64_t>("restored_rows").value_or(0);
  return archived;
}

std::string NameOf(const ArchivedData& archived) {
  return absl::StrFormat("archive %d of %s", archived.id, archived.source);
}

// An older program kept SQL that moved tables back, to where the upgrade has made others since.
std::string RestoreSqlOf(const ArchivedData& archived) {
  return archived.kind == "table" ? RestoreRowsSql(archived.source, archived.kept_as, {})
                                  : archived.restore_sql;
}

}  // namespace

absl::StatusOr<std::vector<ArchivedData>> LoadArchives(pg::Connection& connection, int limit,
                                                       std::int64_t before) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(std::string(kColumns) + " WHERE $1::bigint = 0 OR archive_id < $1::bigint"
                                               " ORDER BY archive_id DESC LIMIT $2",
                       before, std::max(limit, 0)));
  std::vector<ArchivedData> archives;
  for (const pg::Row row : rows) archives.push_back(ArchiveFromRow(row));
  return archives;
}

absl::StatusOr<ArchivedData> LoadArchive(pg::Connection& connection, std::int64_t archive_id) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(std::string(kColumns) + " WHERE archive_id = $1", archive_id));
  if (!rows.empty()) return ArchiveFromRow(rows[0]);
  return Error(absl::StatusCode::kNotFound, "ARCHIVE_NOT_FOUND",
               absl::StrFormat("there is no archive %d; it may be past its expiry", archive_id))
      .With("archive", static_cast<long long>(archive_id));
}

absl::Status MayRestore(pg::Connection& connection, const ArchivedData& archived) {
  if (archived.restored_at.has_value()) {
    return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_RESTORED",
                 absl::StrFormat("%s came back before (%d rows)", NameOf(archived),
                                 archived.restored_rows))
        .With("archive", static_cast<long long>(archived.id));
  }
  ASSIGN_OR_RETURN(pg::Result applied,
                   connection.Query("SELECT FROM migration.applied_revisions WHERE revision = $1",
                                    archived.revision));
  if (!applied.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "ARCHIVE_REVISION_NOT_APPLIED",
               NameOf(archived) + " belongs to revision " + archived.revision +
                   ", which is not applied; upgrade to it first")
      .With("archive", static_cast<long long>(archived.id))
      .With("revision", std::string_view(archived.revision));
}

absl::Status RestoreArchived(RunSession& session, std::int64_t archive_id) {
  pg::Connection& connection = session.connection;
  ASSIGN_OR_RETURN(const ArchivedData archived, LoadArchive(connection, archive_id));
  RETURN_IF_ERROR(MayRestore(connection, archived));
  ASSIGN_OR_RETURN(
      pg::Result owner,
      connection.Query("SELECT service FROM migration.applied_revisions WHERE revision = $1",
                       archived.revision));
  RETURN_IF_ERROR(MayGoOn(session));
  session.in_flight = InFlight{.text = NameOf(archived)};
  const Attendant::Watch watch(
      session.attendant, {.kind = "", .message = NameOf(archived), .revision = archived.revision});
  const auto restored =
      RunScript(connection,
                BeginSql(session.sql, kLimits) + EnterRoleSql(OwnerRole(owner[0].Text("service"))) +
                    RestoreSqlOf(archived) + "\n" + kFireConstraints +
                    "SET LOCAL ROLE NONE;\n"
                    "SELECT coalesce(nullif(current_setting('lockstep.restored', true), ''), "
                    "'0') AS n;");
  if (!restored.ok()) {
    if (!connection.is_lost()) {
      session.in_flight.reset();
      // That the run was cancelled says more than what that did to the statement.
      RETURN_IF_ERROR(MayGoOn(session));
    }
    const absl::Status failure = TranslateLedgerError(restored.status());
    if (failure != restored.status() || IsAboutLocks(failure) || connection.is_lost()) {
      return failure;
    }
    return ScriptError("RESTORE_FAILED", NameOf(archived) + " was not restored", failure);
  }
  const std::string rows = restored->back()[0].Text("n");
  std::vector<Happening> tail = {
      {.kind = "archive_restored",
       .message = absl::StrFormat("restored %s: %s of %d rows came back", NameOf(archived), rows,
                                  archived.row_count),
       .revision = archived.revision}};
  const auto recorded = RunScript(
      connection,
      absl::StrFormat("UPDATE migration.archives SET restored_at = clock_timestamp(),"
                      " restored_rows = %s, restored_by_run = %s WHERE archive_id = %d;\n",
                      rows, session.sql.run, archived.id) +
          session.journal.RecordSql(std::move(tail)) + "COMMIT;");
  if (!recorded.ok()) {
    if (!connection.is_lost()) {
      session.in_flight.reset();
      session.journal.RolledBack();
    }
    return TranslateLedgerError(recorded.status());
  }
  session.in_flight.reset();
  session.journal.Committed();
  return absl::OkStatus();
}

}  // namespace lockstep::migration
