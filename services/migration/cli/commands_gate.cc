// gates: who keeps CONTRACT revisions waiting. builds: what registered, and what is kept as a way
// back.
#include <memory>
#include <string>
#include <vector>

#include "services/migration/cli/commands.h"

namespace lockstep::cli {
namespace {

std::string SoakText(const pb::Gate& gate) {
  if (!gate.has_soak()) return "none";
  const std::string needs = std::to_string(gate.soak().seconds()) + " s";
  if (gate.is_soak_met()) return needs + ", met";
  if (!gate.has_soak_start_time()) return needs + ", not begun";
  return needs + ", since " + TimeText(gate.soak_start_time()) +
         (gate.soak_restarts() == 0
              ? ""
              : " (began again " + std::to_string(gate.soak_restarts()) + " times)");
}

int Gates(const Session& session, const Output& output) {
  auto backend = session.Connect();
  if (!backend.ok()) return Finish(backend.status(), output);
  const auto gates = (*backend)->ListGates();
  if (!gates.ok()) return Finish(gates.status(), output);
  if (output.json()) {
    output.Json(*gates);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const pb::Gate& gate : gates->gates()) {
    const std::string state = gate.is_open() ? output.Paint("open", Colour::kGreen)
                                             : output.Paint("closed", Colour::kRed);
    rows.push_back({gate.service(), gate.revision(), state, SoakText(gate), "", gate.title()});
    for (const pb::GateBlocker& blocker : gate.blockers()) {
      const std::string who = blocker.service() + " " + blocker.build() + " " +
                              (blocker.instance_id().empty() ? "(kept)" : blocker.instance_id());
      const std::string until = blocker.has_expire_time()
                                    ? "; its lease lives until " + TimeText(blocker.expire_time())
                                    : "";
      rows.push_back({"", "", "", "", who,
                      (blocker.object().empty() ? "" : blocker.object() + ": ") + blocker.why() +
                          "; " + blocker.remedy() + until});
    }
    for (const pb::GateSession& open : gate.sessions()) {
      rows.push_back({"", "", "", "",
                      "session " + std::to_string(open.pid()) + " of " + open.role(),
                      "belongs to no live instance (" + open.application_name() + " " +
                          open.client() + "); let its program register, or end it"});
    }
  }
  output.Table({"OWNER", "REVISION", "GATE", "SOAK", "BLOCKED BY", "WHY, AND WHAT TO DO"}, rows);
  return 0;
}

void ShowBuilds(const std::vector<pb::Build>& builds, const Output& output) {
  std::vector<std::vector<std::string>> rows;
  for (const pb::Build& build : builds) {
    std::string uses;
    for (const pb::SchemaUse& use : build.manifest().uses()) {
      uses += (uses.empty() ? "" : ", ") + use.service() + " " +
              (use.required_revision().empty() ? "any" : use.required_revision()) + ".." +
              (use.built_for().empty() ? "?" : use.built_for());
    }
    rows.push_back({build.manifest().service(), build.manifest().build(),
                    std::to_string(build.live_instances()), uses,
                    std::to_string(build.manifest().footprint_size()),
                    TimeText(build.last_seen_time()),
                    build.is_kept() ? build.keep_reason() + " (" + build.kept_by() + ")" : ""});
  }
  output.Table(
      {"SERVICE", "BUILD", "LIVE", "REQUIRES..BUILT FOR", "NAMES", "LAST SEEN (UTC)", "KEPT FOR"},
      rows);
}

int Builds(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  const auto builds = (*backend)->ListBuilds();
  if (!builds.ok()) return Finish(builds.status(), output);
  if (output.json()) {
    output.Json(*builds);
  } else {
    ShowBuilds({builds->builds().begin(), builds->builds().end()}, output);
  }
  return 0;
}

struct MarkFlags {
  std::string service;
  std::string build;
  std::string reason;
};

template <typename Response>
int ShowMarked(const absl::StatusOr<Response>& response, const Output& output) {
  if (!response.ok()) return Finish(response.status(), output);
  if (output.json()) {
    output.Json(*response);
  } else {
    ShowBuilds({response->build()}, output);
  }
  return 0;
}

int Keep(const Session& session, const Output& output, const MarkFlags& flags) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  pb::MarkBuildRequest request;
  request.set_service(flags.service);
  request.set_build(flags.build);
  request.set_reason(flags.reason);
  return ShowMarked((*backend)->MarkBuild(request), output);
}

int Release(const Session& session, const Output& output, const MarkFlags& flags) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  pb::UnmarkBuildRequest request;
  request.set_service(flags.service);
  request.set_build(flags.build);
  return ShowMarked((*backend)->UnmarkBuild(request), output);
}

}  // namespace

void AddGateCommands(CLI::App& app, Action& action) {
  app.add_subcommand("gates", "CONTRACT revisions that are not applied, and who holds them back")
      ->callback([&action] { action = Gates; });

  auto* builds = app.add_subcommand("builds", "builds that registered; keep or release one");
  builds->require_subcommand(0, 1);
  const auto add = [&](const char* name, const char* help, auto run) {
    auto* command = builds->add_subcommand(name, help);
    auto flags = std::make_shared<MarkFlags>();
    command->add_option("SERVICE", flags->service, "catalog, orders, finance or migration")
        ->required();
    command->add_option("BUILD", flags->build, "MAJOR.MINOR.PATCH")->required();
    command->callback([&action, flags, run] {
      action = [flags, run](const Session& session, const Output& output) {
        return run(session, output, *flags);
      };
    });
    return std::pair(command, flags);
  };
  auto [keep, keep_flags] =
      add("keep", "keeps a build as a way back: plans are checked against it", Keep);
  keep->add_option("--reason", keep_flags->reason, "why; recorded")->required();
  add("release", "a kept build counts no more unless it runs", Release);
  builds->callback([&action, builds] {
    if (builds->get_subcommands().empty()) action = Builds;
  });
}

}  // namespace lockstep::cli
