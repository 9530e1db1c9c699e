// doctor: whether definitions, processes, ledger and database are well.
#include <utility>

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

struct Finding {
  std::string what;
  absl::Status status;
  std::string detail;
  bool is_doubtful = false;  // nothing is broken; somebody should look at it
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

// What the database says of itself.
std::vector<Finding> AboutDatabase(Backend& backend, const std::string& expected_head) {
  const auto response = backend.Diagnose(expected_head);
  if (!response.ok()) return {{"database", response.status(), ""}};
  std::vector<Finding> findings;
  for (const pb::Diagnosis& diagnosis : response->diagnoses()) {
    const std::string text =
        diagnosis.found() + (diagnosis.remedy().empty() ? "" : "; " + diagnosis.remedy());
    Finding finding{diagnosis.check(), absl::OkStatus(), text};
    finding.is_doubtful = diagnosis.state() == pb::DIAGNOSIS_STATE_DOUBTFUL;
    if (diagnosis.state() == pb::DIAGNOSIS_STATE_BAD) {
      const bool is_history = diagnosis.check() == "history";
      finding.status = Error(absl::StatusCode::kFailedPrecondition,
                             is_history ? "HISTORY_EDITED" : "DATABASE_UNWELL", text);
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<Finding> Examine(const Session& session, const std::string& expected_head) {
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
  if (!detail.empty()) {
    for (Finding& finding : AboutDatabase(**backend, expected_head)) {
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

int Doctor(const Session& session, const Output& output, const std::string& expected_head) {
  const std::vector<Finding> findings = Examine(session, expected_head);
  int exit_code = 0;
  std::vector<std::vector<std::string>> rows;
  auto document = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    const bool is_ok = finding.status.ok();
    if (!is_ok && exit_code == 0)
      exit_code = static_cast<int>(migration::ExitClassOf(finding.status));
    const std::string mark = !is_ok                ? output.Paint("bad", Colour::kRed)
                             : finding.is_doubtful ? output.Paint("look", Colour::kYellow)
                                                   : output.Paint("ok", Colour::kGreen);
    rows.push_back({mark, finding.what, is_ok ? finding.detail : MessageOf(finding.status)});
    document.push_back({{"ok", is_ok},
                        {"doubtful", finding.is_doubtful},
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

void AddDoctorCommand(CLI::App& app, Action& action) {
  auto* doctor = app.add_subcommand(
      "doctor", "checks definitions, processes, ledger and database, and says what is wrong");
  auto expected_head = std::make_shared<std::string>();
  doctor->add_option(
      "--expect-head", *expected_head,
      "ENTRIES:HASH, where the history ended once; exit 10 when it no longer leads there");
  doctor->callback([&action, expected_head] {
    action = [expected_head](const Session& session, const Output& output) {
      return Doctor(session, output, *expected_head);
    };
  });
}

}  // namespace lockstep::cli
