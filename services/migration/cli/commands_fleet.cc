// The running processes: instances, wait, doctor.
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

struct Finding {
  std::string what;
  absl::Status status;
  std::string detail;
};

absl::Status CheckHealth(const std::string& endpoint) {
  auto stub = grpc::health::v1::Health::NewStub(rpc::MakeChannel(endpoint));
  const absl::Duration timeout = absl::Seconds(2);
  rpc::ClientCall call(Context::WithTimeout(timeout), migration::NewUuid(), timeout);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("readiness");
  grpc::health::v1::HealthCheckResponse response;
  const absl::Status status = rpc::FromGrpc(stub->Check(call.context(), request, &response));
  if (!status.ok()) {
    return Error(absl::StatusCode::kUnavailable, "SERVICE_UNREACHABLE",
                 "no answer; is it running?");
  }
  if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    return Error(
        absl::StatusCode::kFailedPrecondition, "NOT_SERVING",
        "runs, but is not ready: its database or its required revision is missing, see its log");
  }
  return absl::OkStatus();
}

// Whether migrations can run over the connection that answered.
std::vector<Finding> AboutRunner(const pb::GetStatusResponse& status) {
  std::vector<Finding> findings;
  const absl::Status problem = status.runner_problem().empty()
                                   ? absl::OkStatus()
                                   : Error(absl::StatusCode::kFailedPrecondition,
                                           status.runner_problem_reason(), status.runner_problem());
  findings.push_back({"runner", problem, "on the primary, without a pooler in between"});
  if (status.runner_is_superuser()) {
    findings.push_back({"warning", absl::OkStatus(),
                        "the runner is a superuser; lockstep_migrator is enough and safer"});
  }
  if (!status.waits_for().empty()) {
    findings.push_back({"run", absl::OkStatus(), status.waits_for()});
  }
  return findings;
}

std::vector<Finding> Examine(const Session& session) {
  std::vector<Finding> findings;
  const auto definitions = migration::LoadDefinitions(session.options.migrations_dir);
  findings.push_back({"definitions in " + session.options.migrations_dir, definitions.status(),
                      definitions.ok()
                          ? std::to_string(definitions->revisions.size()) + " revisions, " +
                                std::to_string(definitions->releases.size()) + " releases"
                          : ""});
  if (definitions.ok()) {
    for (const migration::Problem& warning : definitions->warnings) {
      findings.push_back({"warning", absl::OkStatus(), warning.text()});
    }
  }
  if (session.options.direct_url.empty()) {
    const std::vector<std::pair<std::string, std::string>> endpoints = {
        {"migration", session.options.endpoint},
        {"catalog", session.options.catalog_endpoint},
        {"orders", session.options.orders_endpoint},
        {"finance", session.options.finance_endpoint}};
    for (const auto& [service, endpoint] : endpoints) {
      findings.push_back({service + " at " + endpoint, CheckHealth(endpoint), "ready"});
    }
  }
  auto backend = session.Connect();
  absl::Status ledger = backend.status();
  std::string detail;
  std::vector<Finding> runner;
  if (ledger.ok()) {
    const auto status = (*backend)->GetStatus();
    ledger = status.status();
    if (status.ok()) {
      runner = AboutRunner(*status);
      detail = "PostgreSQL " + std::to_string(status->server_version() / 10000) + "." +
               std::to_string(status->server_version() % 10000) + ", ledger version " +
               std::to_string(status->ledger_version()) + ", " +
               std::to_string(status->pending_size()) + " pending";
      if (!status->definitions_problem().empty()) {
        ledger = Error(absl::StatusCode::kFailedPrecondition, "DEFINITIONS_INVALID",
                       status->definitions_problem());
      } else if (!status->history_problem().empty()) {
        ledger = Error(absl::StatusCode::kFailedPrecondition, "HISTORY_MISMATCH",
                       status->history_problem());
      } else if (status->partial_size() > 0) {
        ledger = Error(absl::StatusCode::kFailedPrecondition, "PARTLY_APPLIED",
                       status->partial(0) + " is applied half-way; run upgrade or downgrade");
      }
    }
  }
  findings.push_back({"ledger", ledger, detail});
  findings.insert(findings.end(), runner.begin(), runner.end());
  return findings;
}

int Doctor(const Session& session, const Output& output) {
  const std::vector<Finding> findings = Examine(session);
  int exit_code = 0;
  std::vector<std::vector<std::string>> rows;
  auto document = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    const bool is_ok = finding.status.ok();
    if (!is_ok && exit_code == 0)
      exit_code = static_cast<int>(migration::ExitClassOf(finding.status));
    rows.push_back({is_ok ? output.Paint("ok", Colour::kGreen) : output.Paint("bad", Colour::kRed),
                    finding.what, is_ok ? finding.detail : MessageOf(finding.status)});
    document.push_back({{"ok", is_ok},
                        {"check", finding.what},
                        {"reason", ReasonOf(finding.status)},
                        {"found", rows.back()[2]}});
  }
  if (output.json()) {
    output.Json(JsonText(document, 1));
  } else {
    output.Table({"", "CHECK", "FOUND"}, rows);
  }
  return exit_code;
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

  app.add_subcommand("doctor", "checks definitions, processes and ledger, and says what is wrong")
      ->callback([&action] { action = Doctor; });
}

}  // namespace lockstep::cli
