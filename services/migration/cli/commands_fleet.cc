// The running processes: instances, wait.
#include <algorithm>
#include <chrono>
#include <thread>

#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "services/migration/cli/commands.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/failure.h"

namespace lockstep::cli {
namespace {

int Instances(const Session& session, const Output& output) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  auto instances = (*backend)->ListInstances();
  if (!instances.ok()) return Finish(instances.status(), output);
  if (output.json()) {
    output.Json(*instances);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& instance : instances->instances()) {
    rows.push_back({instance.service(), instance.id(), instance.build(), instance.address(),
                    instance.is_live() ? output.Paint("live", Colour::kGreen)
                                       : output.Paint("gone", Colour::kDim),
                    instance.required_revision(),
                    instance.is_ready() ? "yes" : output.Paint("no", Colour::kYellow),
                    TimeText(instance.heartbeat_time())});
  }
  output.Table({"SERVICE", "INSTANCE", "BUILD", "ADDRESS", "LEASE", "REQUIRES", "APPLIED",
                "LAST HEARD (UTC)"},
               rows);
  return 0;
}

// Also who does not want to wait needs an answer.
constexpr absl::Duration kShortestWait = absl::Seconds(1);

struct WaitFlags {
  std::string service;
  std::string revision;
  int timeout_s = 300;
};

int Wait(const Session& session, const Output& output, const WaitFlags& flags) {
  auto backend = session.Connect(/*use_cache=*/true);
  if (!backend.ok()) return Finish(backend.status(), output);
  const absl::Time give_up = absl::Now() + absl::Seconds(flags.timeout_s);
  absl::StatusOr<bool> is_applied = false;
  while (true) {
    is_applied = (*backend)->AwaitApplied(flags.service, flags.revision,
                                          std::max(give_up - absl::Now(), kShortestWait));
    // An init container starts before the migration service: that it does not answer yet is part of
    // the wait.
    const bool is_final = is_applied.ok()
                              ? *is_applied
                              : is_applied.status().code() != absl::StatusCode::kUnavailable &&
                                    ReasonOf(is_applied.status()) != "LEDGER_MISSING";
    if (is_final || absl::Now() >= give_up) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (!is_applied.ok()) return Finish(is_applied.status(), output);
  if (*is_applied) {
    output.Progress(flags.service + ": " + (flags.revision.empty() ? "head" : flags.revision) +
                    " is applied");
    if (output.json()) {
      pb::WaitForRevisionResponse answer;
      answer.set_is_applied(true);
      output.Json(answer);
    }
    return 0;
  }
  return Finish(
      Error(absl::StatusCode::kDeadlineExceeded, "REVISION_NOT_APPLIED",
            "the revision is not applied after " + std::to_string(flags.timeout_s) + " s"),
      output);
}

}  // namespace

void AddFleetCommands(CLI::App& app, Action& action) {
  app.add_subcommand("instances", "running processes and the revisions that they require")
      ->callback([&action] { action = Instances; });

  auto* wait = app.add_subcommand("wait", "waits until a revision is applied");
  auto flags = std::make_shared<WaitFlags>();
  wait->add_option("--service", flags->service, "catalog, orders, finance or migration")
      ->required();
  wait->add_option("--revision", flags->revision,
                   "id, alias or unique prefix; default: the newest");
  wait->add_option("--timeout", flags->timeout_s, "seconds (default 300); then exit 6")
      ->check(CLI::Range(0, 86400));
  wait->callback([&action, flags] {
    action = [flags](const Session& session, const Output& output) {
      return Wait(session, output, *flags);
    };
  });
}

}  // namespace lockstep::cli
