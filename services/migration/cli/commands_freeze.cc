// freeze: opens, lists and lifts the windows that hold runs.
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/status/error.h"
#include "common/time/proto.h"
#include "services/migration/cli/commands.h"
#include "services/migration/cli/freeze_until.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::cli {
namespace {

struct FreezeFlags {
  std::string until;
  std::string reason;
  std::vector<std::string> lift;  // an id, or none: the only one that is open
  bool is_list = false;
  bool is_lift = false;
};

std::string IdOf(const pb::Freeze& freeze) {
  return freeze.name().substr(freeze.name().find('/') + 1);
}

int Open(Backend& backend, const Output& output, const FreezeFlags& flags) {
  const auto until = ParseFreezeUntil(flags.until);
  if (!until.ok()) return Finish(until.status(), output);
  pb::CreateFreezeRequest request;
  request.set_request_id(migration::NewUuid());
  request.mutable_freeze()->set_reason(flags.reason);
  if (const auto* end = std::get_if<absl::Time>(&*until)) {
    *request.mutable_freeze()->mutable_end_time() = time::ToProto(*end);
  } else {
    request.mutable_ttl()->set_seconds(absl::ToInt64Seconds(std::get<absl::Duration>(*until)));
  }
  const auto freeze = backend.CreateFreeze(request);
  if (!freeze.ok()) return Finish(freeze.status(), output);
  if (output.json()) {
    output.Json(*freeze);
  } else {
    output.Line("runs are held until " + TimeText(freeze->end_time()) + " UTC, freeze " +
                IdOf(*freeze));
  }
  return 0;
}

absl::StatusOr<pb::ListFreezesResponse> AllFreezes(Backend& backend) {
  pb::ListFreezesRequest request;
  request.set_page_size(1000);
  pb::ListFreezesResponse all;
  do {
    const auto page = backend.ListFreezes(request);
    if (!page.ok()) return page.status();
    all.mutable_freezes()->MergeFrom(page->freezes());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return all;
}

int List(Backend& backend, const Output& output) {
  const auto all = AllFreezes(backend);
  if (!all.ok()) return Finish(all.status(), output);
  if (output.json()) {
    output.Json(*all);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const pb::Freeze& freeze : all->freezes()) {
    std::string state = "over";
    if (freeze.has_lift_time()) state = "lifted";
    if (freeze.is_open()) state = output.Paint("open", Colour::kRed);
    rows.push_back({IdOf(freeze), state, TimeText(freeze.create_time()),
                    TimeText(freeze.end_time()), freeze.actor(), TimeText(freeze.lift_time()),
                    freeze.lifted_by(), freeze.reason()});
  }
  output.Table({"FREEZE", "STATE", "FROM (UTC)", "UNTIL", "WHO", "LIFTED", "LIFTED BY", "REASON"},
               rows);
  return 0;
}

// The id that --lift means; "" = nothing is open.
absl::StatusOr<std::string> FreezeToLift(Backend& backend, const FreezeFlags& flags) {
  if (!flags.lift.empty()) return flags.lift.front();
  const auto status = backend.GetStatus();
  if (!status.ok()) return status.status();
  std::string ids;
  for (const pb::Freeze& freeze : status->open_freezes()) {
    ids += (ids.empty() ? "" : ", ") + IdOf(freeze) + " (" + freeze.reason() + ")";
  }
  if (status->open_freezes_size() > 1) {
    return InvalidField("--lift", "FREEZE_AMBIGUOUS", "name one of the open freezes: " + ids);
  }
  return status->open_freezes().empty() ? std::string() : IdOf(status->open_freezes(0));
}

int Lift(Backend& backend, const Output& output, const FreezeFlags& flags) {
  const auto id = FreezeToLift(backend, flags);
  if (!id.ok()) return Finish(id.status(), output);
  pb::LiftFreezeResponse lifted;
  if (!id->empty()) {
    pb::LiftFreezeRequest request;
    request.set_name("freezes/" + *id);
    auto response = backend.LiftFreeze(request);
    if (!response.ok()) return Finish(response.status(), output);
    lifted = *std::move(response);
  }
  if (output.json()) {
    output.Json(lifted);
  } else if (id->empty()) {
    output.Line("nothing to do: no freeze is open");
  } else {
    const pb::Freeze& freeze = lifted.freeze();
    output.Line(freeze.has_lift_time() ? "lifted freeze " + IdOf(freeze) + ": " + freeze.reason()
                                       : "freeze " + IdOf(freeze) + " was over at " +
                                             TimeText(freeze.end_time()) + " UTC");
  }
  return 0;
}

int RunFreeze(const Session& session, const Output& output, const FreezeFlags& flags) {
  const int asked =
      (flags.until.empty() ? 0 : 1) + (flags.is_list ? 1 : 0) + (flags.is_lift ? 1 : 0);
  if (asked != 1) {
    return Finish(InvalidField("--until", "FLAG_REQUIRED",
                               "one of --until TIME --reason TEXT, --list and --lift"),
                  output);
  }
  if (!flags.until.empty() && flags.reason.empty()) {
    return Finish(InvalidField("--reason", "REASON_REQUIRED", "say why runs are held"), output);
  }
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  if (flags.is_list) return List(**backend, output);
  return flags.is_lift ? Lift(**backend, output, flags) : Open(**backend, output, flags);
}

}  // namespace

void AddFreezeCommands(CLI::App& app, Action& action) {
  auto* freeze = app.add_subcommand("freeze", "holds upgrades, downgrades and stamps for a while");
  auto flags = std::make_shared<FreezeFlags>();
  freeze->add_option("--until", flags->until,
                     "when it ends: 2025-12-24T18:00:00+01:00, or from now: 3d, 2h, 1h30m");
  freeze->add_option("--reason", flags->reason, "why; whoever is held reads it");
  freeze->add_flag("--list", flags->is_list, "every freeze, newest first");
  auto* lift = freeze->add_option(
      "--lift", flags->lift, "ends a freeze by its id; without one, the only one that is open");
  lift->expected(0, 1);
  freeze->callback([&action, flags, lift] {
    flags->is_lift = lift->count() > 0;
    // An option without a value leaves an empty one.
    std::erase(flags->lift, std::string());
    action = [flags](const Session& session, const Output& output) {
      return RunFreeze(session, output, *flags);
    };
  });
}

}  // namespace lockstep::cli
