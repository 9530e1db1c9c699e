#include "common/status/macros.h"
#include "services/migration/engine/run/archive.h"

namespace lockstep::migration {

absl::Status PurgeExpiredArchives(RunSession& session, int& purged) {
  ASSIGN_OR_RETURN(
      pg::Result expired,
      session.connection.Query("SELECT archive_id, schema_name, source FROM migration.archives"
                               " WHERE expires_at <= clock_timestamp() ORDER BY archive_id"));
  for (const pg::Row row : expired) {
    RETURN_IF_ERROR(MayGoOn(session));
    const auto dropped = RunScript(
        session.connection, "BEGIN;\n" + AssertLeaseSql(session.key) + "DROP SCHEMA IF EXISTS " +
                                pg::QuoteIdentifier(row.Text("schema_name")) +
                                " CASCADE;\nDELETE FROM migration.archives WHERE archive_id = " +
                                row.Text("archive_id") + ";\nCOMMIT;");
    if (!dropped.ok()) return TranslateLedgerError(dropped.status());
    session.journal.Emit({.kind = "archive_purged",
                          .message = "archive " + row.Text("archive_id") + " of " +
                                     row.Text("source") + " is past its expiry and was dropped"});
    ++purged;
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration
