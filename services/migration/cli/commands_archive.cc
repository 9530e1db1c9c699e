// archives, archives restore, archives purge
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::cli {
namespace {

std::string NumberOf(const pb::Archive& archive) {
  return archive.name().substr(archive.name().find('/') + 1);
}

int List(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  pb::ListArchivesResponse all;
  pb::ListArchivesRequest request;
  request.set_page_size(1000);
  do {
    const auto page = (*backend)->ListArchives(request);
    if (!page.ok()) return Finish(page.status(), output);
    all.mutable_archives()->MergeFrom(page->archives());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  if (output.json()) {
    output.Json(all);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const pb::Archive& archive : all.archives()) {
    rows.push_back({NumberOf(archive), archive.kind(), archive.source(),
                    std::to_string(archive.row_count()), archive.revision(),
                    TimeText(archive.create_time()), TimeText(archive.expire_time()),
                    TimeText(archive.restore_time())});
  }
  output.Table({"ID", "KIND", "TABLE", "ROWS", "REVISION", "KEPT (UTC)", "EXPIRES", "RESTORED"},
               rows);
  return 0;
}

int Restore(const Session& session, const Output& output, const std::string& number) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  const auto restored = (*backend)->RestoreArchive(number);
  if (!restored.ok()) return Finish(restored.status(), output);
  if (output.json()) {
    output.Json(*restored);
    return 0;
  }
  const pb::Archive& archive = restored->archive();
  output.Line(absl::StrFormat("restored archive %s of %s: %d of %d rows came back",
                              NumberOf(archive), archive.source(), archive.restored_row_count(),
                              archive.row_count()));
  return 0;
}

int Purge(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  const auto purged = (*backend)->PurgeArchives();
  if (!purged.ok()) return Finish(purged.status(), output);
  if (output.json()) {
    output.Json(*purged);
    return 0;
  }
  output.Line(absl::StrFormat("dropped %d archives past their expiry", purged->purged_count()));
  return 0;
}

}  // namespace

void AddArchiveCommands(CLI::App& app, Action& action) {
  auto* archives = app.add_subcommand("archives", "what `downgrade --archive` kept, newest first");
  archives->require_subcommand(0, 1);
  archives->callback([&action, archives] {
    // The callback of a parent runs after that of its subcommand.
    if (archives->get_subcommands().empty()) action = List;
  });

  auto* restore = archives->add_subcommand(
      "restore", "brings one archive back, once its revision is applied again");
  auto number = std::make_shared<std::string>();
  restore->add_option("ID", *number, "its number in `lockstep archives`")->required();
  restore->callback([&action, number] {
    action = [number](const Session& session, const Output& output) {
      return Restore(session, output, *number);
    };
  });

  archives->add_subcommand("purge", "drops the archives past their expiry")->callback([&action] {
    action = Purge;
  });
}

}  // namespace lockstep::cli
