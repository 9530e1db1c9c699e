#include <thread>

#include "common/log/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "lockstep/migration/v1/migration_service.grpc.pb.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"
#include "services/migration/api/convert.h"
#include "services/migration/cli/backend.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::cli {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(60);
constexpr absl::Duration kSlowCallTimeout = absl::Minutes(10);
constexpr absl::Duration kWatchTimeout = absl::Hours(24);
// A stream that breaks is opened again this often before the command gives up.
constexpr int kReconnects = 30;

class RemoteBackend final : public Backend {
 public:
  explicit RemoteBackend(const GlobalOptions& options)
      : endpoint_(options.endpoint),
        channel_(rpc::MakeChannel(options.endpoint)),
        migration_(pb::MigrationService::NewStub(channel_)),
        registry_(pb::RegistryService::NewStub(channel_)) {}

  absl::StatusOr<pb::ListRevisionsResponse> ListRevisions(
      const pb::ListRevisionsRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::ListRevisions, request);
  }
  absl::StatusOr<pb::Revision> GetRevision(const pb::GetRevisionRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::GetRevision, request);
  }
  absl::StatusOr<pb::ListReleasesResponse> ListReleases() override {
    return Call(*migration_, &pb::MigrationService::Stub::ListReleases, pb::ListReleasesRequest());
  }
  absl::StatusOr<pb::GetStatusResponse> GetStatus() override {
    return Call(*migration_, &pb::MigrationService::Stub::GetStatus, pb::GetStatusRequest());
  }
  absl::StatusOr<pb::ListHistoryResponse> ListHistory(int limit) override {
    pb::ListHistoryRequest request;
    request.set_page_size(limit);
    return Call(*migration_, &pb::MigrationService::Stub::ListHistory, request);
  }
  absl::StatusOr<pb::PlanResponse> Plan(const pb::PlanRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::Plan, request, kSlowCallTimeout);
  }
  absl::StatusOr<pb::LintResponse> Lint(const pb::LintRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::Lint, request, kSlowCallTimeout);
  }
  absl::StatusOr<pb::RehearseResponse> Rehearse(const std::string& target,
                                                bool measure_only) override {
    pb::RehearseRequest request;
    request.set_target(target);
    request.set_measure_only(measure_only);
    return Call(*migration_, &pb::MigrationService::Stub::Rehearse, request, kSlowCallTimeout);
  }
  absl::StatusOr<pb::DiagnoseResponse> Diagnose(const std::string& expected_head) override {
    pb::DiagnoseRequest request;
    request.set_expected_chain_head(expected_head);
    return Call(*migration_, &pb::MigrationService::Stub::Diagnose, request);
  }
  absl::StatusOr<pb::DetectDriftResponse> DetectDrift() override {
    return Call(*migration_, &pb::MigrationService::Stub::DetectDrift, pb::DetectDriftRequest(),
                kSlowCallTimeout);
  }
  absl::StatusOr<pb::VerifyResponse> Verify() override {
    return Call(*migration_, &pb::MigrationService::Stub::Verify, pb::VerifyRequest(),
                kSlowCallTimeout);
  }
  absl::StatusOr<pb::Run> Stamp(const std::string& target) override {
    pb::StampRequest request;
    request.set_target(target);
    request.set_request_id(migration::NewUuid());
    ASSIGN_OR_RETURN(pb::StampResponse response,
                     Call(*migration_, &pb::MigrationService::Stub::Stamp, request));
    return response.run();
  }
  absl::Status Amend(const pb::AmendRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::Amend, request).status();
  }
  absl::StatusOr<std::string> RenderIndex(const std::string& format) override {
    pb::RenderIndexRequest request;
    request.set_format(format);
    ASSIGN_OR_RETURN(pb::RenderIndexResponse response,
                     Call(*migration_, &pb::MigrationService::Stub::RenderIndex, request));
    return response.content();
  }
  absl::StatusOr<pb::Run> GetRun(const std::string& id) override {
    pb::GetRunRequest request;
    request.set_name("runs/" + id);
    return Call(*migration_, &pb::MigrationService::Stub::GetRun, request);
  }
  absl::StatusOr<pb::ListRunsResponse> ListRuns(int limit) override {
    pb::ListRunsRequest request;
    request.set_page_size(limit);
    return Call(*migration_, &pb::MigrationService::Stub::ListRuns, request);
  }
  absl::StatusOr<pb::ListBackfillsResponse> ListBackfills() override {
    return Call(*migration_, &pb::MigrationService::Stub::ListBackfills,
                pb::ListBackfillsRequest());
  }
  absl::StatusOr<pb::Run> CancelRun(const std::string& id) override {
    return Ask(&pb::MigrationService::Stub::CancelRun, pb::CancelRunRequest(), id);
  }
  absl::StatusOr<pb::Run> PauseRun(const std::string& id) override {
    return Ask(&pb::MigrationService::Stub::PauseRun, pb::PauseRunRequest(), id);
  }
  absl::StatusOr<pb::Run> ResumeRun(const std::string& id) override {
    return Ask(&pb::MigrationService::Stub::ResumeRun, pb::ResumeRunRequest(), id);
  }
  absl::StatusOr<pb::Run> SetRunRate(const std::string& id, int rows_per_second) override {
    pb::SetRunRateRequest request;
    request.set_rows_per_second(rows_per_second);
    return Ask(&pb::MigrationService::Stub::SetRunRate, std::move(request), id);
  }
  absl::StatusOr<pb::ListArchivesResponse> ListArchives(
      const pb::ListArchivesRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::ListArchives, request);
  }
  absl::StatusOr<pb::RestoreArchiveResponse> RestoreArchive(const std::string& number) override {
    pb::RestoreArchiveRequest request;
    request.set_name("archives/" + number);
    request.set_request_id(migration::NewUuid());
    return Call(*migration_, &pb::MigrationService::Stub::RestoreArchive, request,
                kSlowCallTimeout);
  }
  absl::StatusOr<pb::PurgeArchivesResponse> PurgeArchives() override {
    return Call(*migration_, &pb::MigrationService::Stub::PurgeArchives, pb::PurgeArchivesRequest(),
                kSlowCallTimeout);
  }
  absl::StatusOr<pb::Freeze> CreateFreeze(const pb::CreateFreezeRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::CreateFreeze, request);
  }
  absl::StatusOr<pb::ListFreezesResponse> ListFreezes(
      const pb::ListFreezesRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::ListFreezes, request);
  }
  absl::StatusOr<pb::LiftFreezeResponse> LiftFreeze(const pb::LiftFreezeRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::LiftFreeze, request);
  }
  absl::StatusOr<pb::ListGatesResponse> ListGates() override {
    return Call(*migration_, &pb::MigrationService::Stub::ListGates, pb::ListGatesRequest());
  }
  absl::StatusOr<pb::ListBuildsResponse> ListBuilds() override {
    return Call(*migration_, &pb::MigrationService::Stub::ListBuilds, pb::ListBuildsRequest());
  }
  absl::StatusOr<pb::MarkBuildResponse> MarkBuild(const pb::MarkBuildRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::MarkBuild, request);
  }
  absl::StatusOr<pb::UnmarkBuildResponse> UnmarkBuild(
      const pb::UnmarkBuildRequest& request) override {
    return Call(*migration_, &pb::MigrationService::Stub::UnmarkBuild, request);
  }
  absl::StatusOr<pb::ListInstancesResponse> ListInstances() override {
    return Call(*registry_, &pb::RegistryService::Stub::ListInstances, pb::ListInstancesRequest());
  }
  absl::StatusOr<bool> IsApplied(const std::string& service, const std::string& revision) override {
    pb::WaitForRevisionRequest request;
    request.set_service(service);
    request.set_revision(revision);
    ASSIGN_OR_RETURN(pb::WaitForRevisionResponse response,
                     Call(*registry_, &pb::RegistryService::Stub::WaitForRevision, request));
    return response.is_applied();
  }
  absl::StatusOr<bool> AwaitApplied(const std::string& service, const std::string& revision,
                                    absl::Duration timeout) override {
    rpc::ClientCall call(Context::WithTimeout(timeout), migration::NewUuid(), timeout);
    pb::WatchRevisionRequest request;
    request.set_service(service);
    request.set_revision(revision);
    auto reader = registry_->WatchRevision(call.context(), request);
    pb::WatchRevisionResponse response;
    bool is_answered = false;
    while (reader->Read(&response)) {
      is_answered = true;
      if (!response.is_applied()) continue;
      call.context()->TryCancel();
      while (reader->Read(&response)) {
      }
      (void)reader->Finish();
      return true;
    }
    const absl::Status status = rpc::FromGrpc(reader->Finish());
    if (is_answered && status.code() == absl::StatusCode::kDeadlineExceeded) return false;
    // A server of before this stream.
    if (status.code() == absl::StatusCode::kUnimplemented) return IsApplied(service, revision);
    return Explained(status);
  }

  absl::Status Run(const RunRequest& request, const EventCallback& on_event,
                   pb::Run& run) override {
    ASSIGN_OR_RETURN(run, Start(request));
    const std::string id = run.name().substr(run.name().find('/') + 1);
    RETURN_IF_ERROR(Watch(id, 0, /*follow=*/true, on_event));
    ASSIGN_OR_RETURN(run, GetRun(id));
    return StatusOfRun(run);
  }

  absl::Status Watch(const std::string& id, std::int64_t offset, bool follow,
                     const EventCallback& on_event) override {
    pb::Run run;
    if (!follow) {
      ASSIGN_OR_RETURN(run, GetRun(id));
      // Without --follow the log ends where it ended when the command began.
      if (run.last_offset() <= offset) return absl::OkStatus();
    }
    for (int attempt = 0;; ++attempt) {
      rpc::ClientCall call(Context::WithTimeout(kWatchTimeout), migration::NewUuid(),
                           kWatchTimeout);
      pb::WatchRunRequest request;
      request.set_name("runs/" + id);
      request.set_after_offset(offset);
      auto reader = migration_->WatchRun(call.context(), request);
      pb::WatchRunResponse response;
      while (reader->Read(&response)) {
        offset = response.event().offset();
        attempt = 0;
        on_event(response.event());
        if (!follow && offset >= run.last_offset()) {
          call.context()->TryCancel();
          while (reader->Read(&response)) {
          }
          (void)reader->Finish();
          return absl::OkStatus();
        }
      }
      const absl::Status status = rpc::FromGrpc(reader->Finish());
      if (status.code() != absl::StatusCode::kUnavailable || attempt >= kReconnects) return status;
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  }

 private:
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, absl::Duration timeout = kCallTimeout) {
    rpc::ClientCall call(Context::WithTimeout(timeout), migration::NewUuid(), timeout);
    Response response;
    const absl::Status status = rpc::FromGrpc((stub.*method)(call.context(), request, &response));
    if (status.ok()) return response;
    return Explained(status);
  }

  // The same in words for who types commands.
  absl::Status Explained(const absl::Status& status) const {
    if (ReasonOf(status) == "PEER_UNREACHABLE") {
      return Error(absl::StatusCode::kUnavailable, "SERVICE_UNREACHABLE",
                   "the migration service does not answer at " + endpoint_ +
                       "; start it, name another with --endpoint, or use --direct DSN");
    }
    return status;
  }

  // One of the methods that take a run's name and answer with the run.
  template <typename Request, typename Response>
  absl::StatusOr<pb::Run> Ask(grpc::Status (pb::MigrationService::Stub::*method)(
                                  grpc::ClientContext*, const Request&, Response*),
                              Request request, const std::string& id) {
    request.set_name("runs/" + id);
    ASSIGN_OR_RETURN(Response response, Call(*migration_, method, request));
    return std::move(*response.mutable_run());
  }

  absl::StatusOr<pb::Run> Start(const RunRequest& request) {
    if (request.direction == pb::DIRECTION_UP) {
      pb::UpgradeRequest upgrade;
      upgrade.set_target(request.target);
      upgrade.set_request_id(migration::NewUuid());
      upgrade.set_force_freeze_reason(request.force_freeze);
      upgrade.set_force_gate_reason(request.force_gate);
      upgrade.set_force_locks_reason(request.force_locks);
      if (request.gate_wait_s.has_value()) {
        upgrade.mutable_gate_wait()->set_seconds(*request.gate_wait_s);
      }
      if (request.reviewed.has_value()) {
        *upgrade.mutable_reviewed_plan() = migration::ToProto(*request.reviewed);
      }
      for (const pb::BlockerClass named : request.cancel_blockers) {
        upgrade.add_cancel_blockers(named);
      }
      ASSIGN_OR_RETURN(pb::UpgradeResponse response,
                       Call(*migration_, &pb::MigrationService::Stub::Upgrade, upgrade));
      return response.run();
    }
    pb::DowngradeRequest downgrade;
    downgrade.set_target(request.target);
    downgrade.set_archive(request.archive);
    downgrade.set_allow_irreversible(request.allow_irreversible);
    downgrade.set_request_id(migration::NewUuid());
    downgrade.set_force_freeze_reason(request.force_freeze);
    if (request.reviewed.has_value()) {
      *downgrade.mutable_reviewed_plan() = migration::ToProto(*request.reviewed);
    }
    for (const pb::BlockerClass named : request.cancel_blockers) {
      downgrade.add_cancel_blockers(named);
    }
    ASSIGN_OR_RETURN(pb::DowngradeResponse response,
                     Call(*migration_, &pb::MigrationService::Stub::Downgrade, downgrade));
    return response.run();
  }

  const std::string endpoint_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<pb::MigrationService::Stub> migration_;
  const std::unique_ptr<pb::RegistryService::Stub> registry_;
};

}  // namespace

std::unique_ptr<Backend> MakeRemoteBackend(const GlobalOptions& options) {
  return std::make_unique<RemoteBackend>(options);
}

absl::Status StatusOfRun(const pb::Run& run) {
  switch (run.state()) {
    case pb::RUN_STATE_SUCCEEDED:
      return absl::OkStatus();
    case pb::RUN_STATE_CANCELLED:
      return Error(absl::StatusCode::kCancelled, "RUN_CANCELLED", "the run was cancelled");
    case pb::RUN_STATE_INTERRUPTED:
      return Error(absl::StatusCode::kAborted, "RUN_INTERRUPTED",
                   "the run's process went away; run the same command again, it goes on");
    default:
      return Error(absl::StatusCode::kFailedPrecondition, run.error_reason(), run.error_message());
  }
}

}  // namespace lockstep::cli
