// backup, backups, restore: whole databases, through pg_dump and pg_restore.
#include <signal.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/convert.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/backup/backup.h"
#include "services/migration/engine/run/backup/restore.h"

namespace lockstep::cli {
namespace {

using migration::BackupInfo;

// SIGINT and SIGTERM cancel the context, so that children end and partial files go. The other
// threads of the process are to be started after it.
class CancelOnSignal {
 public:
  explicit CancelOnSignal(const Context& context) {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    waiter_ = std::thread([this, context] {
      const timespec slice = {.tv_sec = 0, .tv_nsec = 100'000'000};
      while (!is_over_) {
        if (sigtimedwait(&signals_, nullptr, &slice) > 0) context.Cancel();
      }
    });
  }
  CancelOnSignal(const CancelOnSignal&) = delete;
  CancelOnSignal& operator=(const CancelOnSignal&) = delete;
  ~CancelOnSignal() {
    is_over_ = true;
    waiter_.join();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t signals_{};
  sigset_t before_{};
  std::atomic<bool> is_over_ = false;
  std::thread waiter_;
};

class TellingSink final : public migration::EventSink {
 public:
  explicit TellingSink(const Output& output) : output_(output) {}
  void OnEvent(const migration::RunEvent& event) override {
    output_.Progress(Describe(migration::ToProto(event), output_));
  }

 private:
  const Output& output_;
};

absl::StatusOr<std::unique_ptr<migration::Engine>> OpenEngine(const Session& session) {
  if (session.options.direct_url.empty()) {
    return InvalidField("--direct", "BACKUP_NEEDS_DIRECT",
                        "backups are made and restored where the command runs: give the "
                        "connection string of the database");
  }
  migration::EngineOptions options;
  options.database_url = session.options.direct_url;
  options.admin_url = session.options.admin_url;
  options.actor = session.options.actor;
  options.lease_ttl = absl::Seconds(session.options.lease_ttl_s);
  ASSIGN_OR_RETURN(migration::Definitions definitions,
                   migration::LoadDefinitions(session.options.migrations_dir));
  return std::make_unique<migration::Engine>(std::move(options), std::move(definitions));
}

absl::StatusOr<BackupInfo> Take(const Session& session, const Output& output,
                                const std::string& file) {
  const Context context = Context::WithDeadline(absl::InfiniteFuture());
  const CancelOnSignal cancel(context);
  ASSIGN_OR_RETURN(const auto engine, OpenEngine(session));
  TellingSink sink(output);
  return migration::TakeBackup(context, *engine, file, sink, [&](std::int64_t bytes) {
    output.Progress(absl::StrFormat("%d bytes so far", bytes));
  });
}

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::UTCTimeZone());
}

nlohmann::ordered_json ToJson(const BackupInfo& backup) {
  return {
      {"id", backup.id},
      {"run", backup.run_id},
      {"file", backup.file},
      {"host", backup.host},
      {"bytes", backup.bytes},
      {"sha256", backup.sha256},
      {"heads", backup.heads},
      {"release", backup.release},
      {"server_version", backup.server_version},
      {"actor", backup.actor},
      {"start_time", absl::FormatTime(absl::RFC3339_full, backup.started_at, absl::UTCTimeZone())},
      {"finish_time",
       absl::FormatTime(absl::RFC3339_full, backup.finished_at, absl::UTCTimeZone())}};
}

std::string Document(const nlohmann::ordered_json& json) { return JsonText(json, 1); }

int Backup(const Session& session, const Output& output, const std::string& file) {
  const auto made = Take(session, output, file);
  if (!made.ok()) return Finish(made.status(), output);
  if (output.json()) {
    output.Json(Document(ToJson(*made)));
    return 0;
  }
  output.Line(absl::StrFormat("%s  %s", made->sha256, made->file));
  output.Line(absl::StrFormat("%d bytes in %d s, heads %s", made->bytes,
                              absl::ToInt64Seconds(made->finished_at - made->started_at),
                              made->heads));
  return 0;
}

int List(const Session& session, const Output& output) {
  const auto engine = OpenEngine(session);
  if (!engine.ok()) return Finish(engine.status(), output);
  const auto backups =
      migration::ListBackups(Context::WithDeadline(absl::InfiniteFuture()), **engine, 1000);
  if (!backups.ok()) return Finish(backups.status(), output);
  auto document = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  for (const BackupInfo& backup : *backups) {
    document.push_back(ToJson(backup));
    rows.push_back({std::to_string(backup.id), Text(backup.finished_at),
                    std::to_string(backup.bytes), backup.release, backup.host, backup.file,
                    backup.sha256});
  }
  if (output.json()) {
    output.Json(Document({{"backups", document}}));
  } else {
    output.Table({"ID", "MADE (UTC)", "BYTES", "RELEASE", "HOST", "FILE", "SHA256"}, rows);
  }
  return 0;
}

int Restore(const Session& session, const Output& output,
            const migration::RestoreOptions& options) {
  const Context context = Context::WithDeadline(absl::InfiniteFuture());
  const CancelOnSignal cancel(context);
  const auto engine = OpenEngine(session);
  if (!engine.ok()) return Finish(engine.status(), output);
  const auto restored =
      migration::RestoreBackup(context, **engine, options, [&](std::int64_t bytes) {
        output.Progress(absl::StrFormat("%d bytes of SQL so far", bytes));
      });
  if (!restored.ok()) return Finish(restored.status(), output);
  if (output.json()) {
    output.Json(Document({{"run", restored->run_id},
                          {"sha256", restored->sha256},
                          {"heads", restored->current.heads},
                          {"release", restored->current.release},
                          {"needs_bootstrap", restored->needs_bootstrap}}));
    return 0;
  }
  output.Line(output.Paint("restored", Colour::kGreen) + " " + options.file + ", run " +
              restored->run_id);
  if (restored->needs_bootstrap) {
    output.Line("its ledger is older than this program; run: lockstep bootstrap");
  } else {
    output.Line("heads: " + absl::StrJoin(restored->current.heads, ", ") + "; release: " +
                (restored->current.release.empty() ? "none" : restored->current.release));
  }
  output.Progress("check it before services start: lockstep verify");
  return 0;
}

}  // namespace

absl::Status BackUpFirst(const Session& session, const Output& output, Backend& backend,
                         const std::string& target, const std::string& file) {
  pb::PlanRequest request;
  request.set_target(target);
  request.set_direction(pb::DIRECTION_UP);
  ASSIGN_OR_RETURN(const pb::PlanResponse plan, backend.Plan(request));
  if (plan.revisions().empty() && plan.repeatables().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const BackupInfo made, Take(session, output, file));
  output.Progress("backed up to " + made.file + ", sha256 " + made.sha256);
  return absl::OkStatus();
}

void AddBackupFlag(CLI::App* upgrade, std::optional<std::string>& file) {
  upgrade
      ->add_option_function<std::vector<std::string>>(
          "--backup",
          [&file](const std::vector<std::string>& given) {
            file = given.empty() ? std::string() : given.front();
          },
          "first back up to this file (or one named for database and time), and stop if that "
          "fails; with --direct; TARGET goes in front of it")
      ->expected(0, 1);
}

void AddBackupCommands(CLI::App& app, Action& action) {
  auto* backup = app.add_subcommand("backup", "writes the whole database to a file, with pg_dump");
  auto file = std::make_shared<std::string>();
  backup->add_option("FILE", *file, "default: named for the database and the time");
  backup->callback([&action, file] {
    action = [file](const Session& session, const Output& output) {
      return Backup(session, output, *file);
    };
  });

  app.add_subcommand("backups", "the backups that the ledger knows, newest first")
      ->callback([&action] { action = List; });

  auto* restore =
      app.add_subcommand("restore", "replaces the database by a backup, all or nothing");
  auto options = std::make_shared<migration::RestoreOptions>();
  restore->add_option("FILE", options->file, "what `lockstep backup` wrote")->required();
  restore->add_option("--checksum", options->checksum,
                      "its SHA-256 in hexadecimal (default: what FILE.sha256 says)");
  restore->add_flag("--replace", options->replace, "also into a database that is not empty");
  restore->callback([&action, options] {
    action = [options](const Session& session, const Output& output) {
      return Restore(session, output, *options);
    };
  });
}

}  // namespace lockstep::cli
