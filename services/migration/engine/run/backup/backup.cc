#include "services/migration/engine/run/backup/backup.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/conninfo.h"
#include "common/process/child.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/backup/backup_file.h"
#include "services/migration/engine/run/backup/pg_program.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/run.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kProgressEvery = absl::Seconds(1);

// Runs pg_dump into `partial`, until it is done or the run may not go on.
absl::Status Dump(RunSession& session, const PartialFile& partial, const BackupProgress& progress) {
  ASSIGN_OR_RETURN(const std::string program,
                   FindPgProgram("pg_dump", session.connection.server_version()));
  const EngineOptions& options = session.options;
  ASSIGN_OR_RETURN(
      const pg::ProgramConnection to,
      pg::ForProgram(options.admin_url.empty() ? options.database_url : options.admin_url));
  process::ChildOptions start;
  start.command = {program, "--format=custom", "--no-password", "--file=" + partial.path()};
  if (!to.conninfo.empty()) start.command.push_back("--dbname=" + to.conninfo);
  start.environment = to.environment;
  ASSIGN_OR_RETURN(const auto child, process::Child::Start(start));
  absl::Time told_at = absl::Now();
  std::optional<int> exit_code;
  while (!(exit_code = child->Wait(kPoll)).has_value()) {
    RETURN_IF_ERROR(MayGoOn(session));
    if (absl::Now() - told_at < kProgressEvery) continue;
    told_at = absl::Now();
    progress(partial.bytes());
  }
  if (*exit_code == 0) return absl::OkStatus();
  // That the run was cancelled says more than what that did to the program.
  RETURN_IF_ERROR(MayGoOn(session));
  return Error(absl::StatusCode::kFailedPrecondition, "BACKUP_FAILED",
               absl::StrFormat("pg_dump ended with %d: %s", *exit_code, child->ErrorText()));
}

std::string InsertSql(const RunSession& session, const BackupInfo& made) {
  return absl::StrFormat(
      "INSERT INTO migration.backups (run_id, file, host, bytes, sha256, heads, release,"
      " server_version, actor, started_at) VALUES (%s, %s, %s, %d, %s, %s, %s, %d, %s, %s);\n",
      session.sql.run, pg::QuoteLiteral(made.file), pg::QuoteLiteral(made.host), made.bytes,
      pg::QuoteLiteral(made.sha256), pg::QuoteLiteral(made.heads), pg::QuoteLiteral(made.release),
      made.server_version, session.sql.actor, pg::QuoteLiteral(*pg::Param(made.started_at).text()));
}

absl::Status MakeBackup(RunSession& session, const std::string& file,
                        const BackupProgress& progress) {
  BackupInfo made;
  made.file = file;
  made.host = HostName();
  made.started_at = absl::Now();
  made.server_version = session.connection.server_version();
  ASSIGN_OR_RETURN(const AppliedState state, LoadState(session.connection, session.graph));
  ASSIGN_OR_RETURN(const CurrentState current,
                   LoadCurrent(session.connection, session.graph, state));
  made.heads = absl::StrJoin(current.heads, ", ");
  made.release = current.release;
  ASSIGN_OR_RETURN(PartialFile partial, PartialFile::Create(file));
  RETURN_IF_ERROR(Dump(session, partial, progress));
  made.bytes = partial.bytes();
  ASSIGN_OR_RETURN(made.sha256, FileSha256(partial.path()));
  RETURN_IF_ERROR(MayGoOn(session));
  RETURN_IF_ERROR(partial.Publish(made.sha256));
  Happening finished{.kind = "backup_finished",
                     .message = absl::StrFormat("backup %s: %d bytes, sha256 %s", made.file,
                                                made.bytes, made.sha256)};
  finished.details = JsonObject(
      nlohmann::json{{"file", made.file}, {"bytes", made.bytes}, {"sha256", made.sha256}});
  return RecordInLedger(session, "the record of the backup", InsertSql(session, made),
                        {std::move(finished)});
}

BackupInfo BackupFromRow(const pg::Row& row) {
  BackupInfo backup;
  backup.id = row.Get<std::int64_t>("backup_id");
  backup.run_id = row.Text("run_id");
  backup.file = row.Text("file");
  backup.host = row.Text("host");
  backup.bytes = row.Get<std::int64_t>("bytes");
  backup.sha256 = row.Text("sha256");
  backup.heads = row.Text("heads");
  backup.release = row.Text("release");
  backup.server_version = row.Get<std::int32_t>("server_version");
  backup.actor = row.Text("actor");
  backup.started_at = row.Get<absl::Time>("started_at");
  backup.finished_at = row.Get<absl::Time>("finished_at");
  return backup;
}

}  // namespace

std::string DefaultBackupName(const std::string& database, absl::Time now) {
  return "lockstep-" + database + "-" +
         absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone()) + ".dump";
}

absl::StatusOr<BackupInfo> TakeBackup(const Context& context, const Engine& engine,
                                      const std::string& file, EventSink& sink,
                                      const BackupProgress& progress) {
  ASSIGN_OR_RETURN(auto connection, OpenLedgerSession(engine.options(), context));
  ASSIGN_OR_RETURN(pg::Result row, connection->Query("SELECT current_database() AS name"));
  std::error_code error;
  const std::string path =
      std::filesystem::absolute(
          file.empty() ? DefaultBackupName(row[0].Text("name"), absl::Now()) : file, error)
          .string();
  connection->SetIoDeadline(absl::InfiniteFuture());
  const RunRequest request = {.kind = "backup", .target = path, .run_id = NewUuid()};
  const RunBody make = [&](RunSession& session, RunReport&) {
    return MakeBackup(session, path, progress);
  };
  RETURN_IF_ERROR(RunUnderLease(context, engine.options(), engine.graph(), request,
                                std::move(connection), sink, make)
                      .status());
  ASSIGN_OR_RETURN(const auto reader, OpenLedgerSession(engine.options(), context));
  ASSIGN_OR_RETURN(
      pg::Result made,
      reader->Query("SELECT * FROM migration.backups WHERE run_id = $1", request.run_id));
  return BackupFromRow(made[0]);
}

absl::StatusOr<std::vector<BackupInfo>> ListBackups(const Context& context, const Engine& engine,
                                                    int limit) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(engine.options(), context));
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection->Query("SELECT * FROM migration.backups ORDER BY backup_id DESC LIMIT $1", limit));
  std::vector<BackupInfo> backups;
  for (const pg::Row row_at : rows) backups.push_back(BackupFromRow(row_at));
  return backups;
}

}  // namespace lockstep::migration
