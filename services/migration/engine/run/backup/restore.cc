#include "services/migration/engine/run/backup/restore.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/time/clock.h"
#include "common/pg/conninfo.h"
#include "common/process/child.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/backup/backup_file.h"
#include "services/migration/engine/run/backup/pg_program.h"
#include "services/migration/engine/run/backup/restore_checks.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/whereabouts.h"

namespace lockstep::migration {
namespace {

// psql's exit code for that; 3 is an error of the server, which rolled everything back.
constexpr int kConnectionBroke = 2;

absl::Status Failed(const std::string& program, const process::Child& child, int exit_code) {
  return Error(absl::StatusCode::kFailedPrecondition, "RESTORE_FAILED",
               "nothing was changed: " + program + " ended with " + std::to_string(exit_code) +
                   ": " + child.ErrorText());
}

// Waits until `fd` can be read or written; false when the context ended first.
bool Await(const Context& context, int fd, short events) {
  while (context.Check().ok()) {
    pollfd waited{.fd = fd, .events = events, .revents = 0};
    if (poll(&waited, 1, 200) > 0) return true;
  }
  return false;
}

// All of `bytes` into the pipe. False when the context ended or nobody reads any more.
bool Send(const Context& context, int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    if (!Await(context, fd, POLLOUT)) return false;
    const ssize_t sent = write(fd, bytes.data(), bytes.size());
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

absl::StatusOr<std::string> ListOf(const std::string& program, const std::string& file) {
  process::ChildOptions start;
  start.command = {program, "--list", file};
  start.has_output = true;
  ASSIGN_OR_RETURN(const auto child, process::Child::Start(start));
  std::string list;
  std::array<char, 65'536> buffer{};
  for (ssize_t size = 0; (size = read(child->output(), buffer.data(), buffer.size())) > 0;) {
    list.append(buffer.data(), static_cast<std::size_t>(size));
  }
  if (child->Wait(absl::Seconds(10)) == 0 && IsOurs(list)) return list;
  return Error(absl::StatusCode::kFailedPrecondition, "BACKUP_NOT_OURS",
               file + " is no backup of a database with our ledger: " + child->ErrorText());
}

// pg_restore's SQL goes through this process, so that COMMIT is only sent after all of it: psql
// that loses its input rolls back.
absl::Status Pump(const Context& context, process::Child& from, process::Child& to,
                  const RestoreSql& sql, const BackupProgress& progress) {
  fcntl(to.input(), F_SETFL, O_NONBLOCK);
  bool is_sent = Send(context, to.input(), sql.before);
  std::int64_t bytes = 0;
  absl::Time told_at = absl::Now();
  std::array<char, 65'536> buffer{};
  while (is_sent && Await(context, from.output(), POLLIN)) {
    const ssize_t size = read(from.output(), buffer.data(), buffer.size());
    if (size <= 0) break;
    is_sent =
        Send(context, to.input(), std::string_view(buffer.data(), static_cast<std::size_t>(size)));
    bytes += size;
    if (absl::Now() - told_at < absl::Seconds(1)) continue;
    told_at = absl::Now();
    progress(bytes);
  }
  RETURN_IF_ERROR(context.Check());
  if (is_sent) {
    const auto unpacked = from.Wait(absl::Seconds(10));
    if (unpacked != 0) return Failed("pg_restore", from, unpacked.value_or(-1));
    is_sent = Send(context, to.input(), sql.after);
  }
  to.CloseInput();
  // Once COMMIT is on its way, how it ended is worth waiting for.
  std::optional<int> ended;
  while (!(ended = to.Wait(absl::Milliseconds(200))).has_value()) {
    if (!is_sent) RETURN_IF_ERROR(context.Check());
  }
  if (is_sent && *ended == kConnectionBroke) {
    return Error(absl::StatusCode::kUnknown, "COMMIT_OUTCOME_UNKNOWN",
                 "the connection broke after COMMIT was sent: " + to.ErrorText() +
                     "; look whether `lockstep runs` has the restore before you repeat it");
  }
  return is_sent && *ended == 0 ? absl::OkStatus() : Failed("psql", to, *ended);
}

// A table of contents in a file of its own, gone with the object.
class ListFile {
 public:
  explicit ListFile(const std::string& list) {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) close(fd);
    std::ofstream(path_) << list;
  }
  ListFile(const ListFile&) = delete;
  ListFile& operator=(const ListFile&) = delete;
  ~ListFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/lockstep-restore-XXXXXX";
};

absl::Status Replay(const Context& context, const EngineOptions& options, int server_version,
                    const std::string& file, const std::string& list, const RestoreSql& sql,
                    const BackupProgress& progress) {
  ASSIGN_OR_RETURN(const std::string unpack, FindPgProgram("pg_restore", server_version));
  ASSIGN_OR_RETURN(const std::string psql, FindPgProgram("psql", server_version));
  ASSIGN_OR_RETURN(const pg::ProgramConnection to, pg::ForProgram(options.database_url));
  const ListFile chosen(WithoutServersOwn(list));
  process::ChildOptions from_options;
  from_options.command = {unpack, "--use-list=" + chosen.path(), "--file=-", file};
  from_options.has_output = true;
  process::ChildOptions to_options;
  to_options.command = {psql, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"};
  if (!to.conninfo.empty()) to_options.command.push_back("--dbname=" + to.conninfo);
  to_options.environment = to.environment;
  to_options.has_input = true;
  ASSIGN_OR_RETURN(const auto from_child, process::Child::Start(from_options));
  ASSIGN_OR_RETURN(const auto to_child, process::Child::Start(to_options));
  return Pump(context, *from_child, *to_child, sql, progress);
}

absl::StatusOr<std::string> CheckedSum(const RestoreOptions& restore) {
  ASSIGN_OR_RETURN(const std::string found, FileSha256(restore.file));
  std::string wanted = restore.checksum;
  if (wanted.empty()) {
    ASSIGN_OR_RETURN(wanted, ReadSidecar(restore.file));
  }
  if (wanted == found) return found;
  return Error(absl::StatusCode::kFailedPrecondition, "CHECKSUM_MISMATCH",
               restore.file + " is not what was written: its sha256 is " + found + ", not " +
                   wanted + "; use another copy");
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreBackup(const Context& context, const Engine& engine,
                                            const RestoreOptions& restore,
                                            const BackupProgress& progress) {
  // A psql that ended is an error to report, not a signal to die of.
  signal(SIGPIPE, SIG_IGN);
  EngineOptions options = engine.options();
  if (!options.admin_url.empty()) options.database_url = options.admin_url;
  RestoreReport report;
  report.run_id = NewUuid();
  ASSIGN_OR_RETURN(report.sha256, CheckedSum(restore));
  ASSIGN_OR_RETURN(const auto connection, OpenSession(options, kReaderPurpose));
  ASSIGN_OR_RETURN(const Whereabouts where, LookAround(*connection));
  RETURN_IF_ERROR(where.refusal);
  ASSIGN_OR_RETURN(const std::string unpack,
                   FindPgProgram("pg_restore", connection->server_version()));
  ASSIGN_OR_RETURN(const std::string list, ListOf(unpack, restore.file));
  // Held to the end of the connection: a runner that comes meanwhile waits.
  ASSIGN_OR_RETURN(pg::Result locked, connection->Query("SELECT pg_try_advisory_lock($1) AS taken",
                                                        kRunnerAdvisoryLock));
  if (!locked[0].Get<bool>("taken")) return RunIsUnderWay("another session holds its lock");
  ASSIGN_OR_RETURN(const RestoreTarget target,
                   MayRestoreInto(*connection, SchemasIn(list), restore.replace));
  const RestoreSql sql = RestoreSqlFor(target, restore.file, report, ActorOf(engine.options()));
  RETURN_IF_ERROR(
      Replay(context, options, connection->server_version(), restore.file, list, sql, progress));
  auto current = engine.Current(context);
  report.needs_bootstrap = ReasonOf(current.status()) == "LEDGER_OUTDATED";
  if (report.needs_bootstrap) return report;
  RETURN_IF_ERROR(current.status());
  report.current = *std::move(current);
  return report;
}

}  // namespace lockstep::migration
