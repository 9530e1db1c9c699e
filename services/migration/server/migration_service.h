// MigrationService over gRPC: maps calls to Api and RunManager.
#pragma once

#include "common/rpc/runner.h"
#include "lockstep/migration/v1/migration_service.grpc.pb.h"
#include "services/migration/server/engines.h"
#include "services/migration/server/run_feed.h"
#include "services/migration/server/run_manager.h"

namespace lockstep::migration {

class MigrationService final : public v1::MigrationService::CallbackService {
 public:
  MigrationService(Engines& engines, RunManager& runs, RunFeed& feed, rpc::Runner& runner)
      : engines_(engines), runs_(runs), feed_(feed), runner_(runner) {}

  grpc::ServerUnaryReactor* ListRevisions(grpc::CallbackServerContext* context,
                                          const v1::ListRevisionsRequest* request,
                                          v1::ListRevisionsResponse* response) override;
  grpc::ServerUnaryReactor* GetRevision(grpc::CallbackServerContext* context,
                                        const v1::GetRevisionRequest* request,
                                        v1::Revision* response) override;
  grpc::ServerUnaryReactor* ListReleases(grpc::CallbackServerContext* context,
                                         const v1::ListReleasesRequest* request,
                                         v1::ListReleasesResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* ListHistory(grpc::CallbackServerContext* context,
                                        const v1::ListHistoryRequest* request,
                                        v1::ListHistoryResponse* response) override;
  grpc::ServerUnaryReactor* Plan(grpc::CallbackServerContext* context,
                                 const v1::PlanRequest* request,
                                 v1::PlanResponse* response) override;
  grpc::ServerUnaryReactor* Upgrade(grpc::CallbackServerContext* context,
                                    const v1::UpgradeRequest* request,
                                    v1::UpgradeResponse* response) override;
  grpc::ServerUnaryReactor* Downgrade(grpc::CallbackServerContext* context,
                                      const v1::DowngradeRequest* request,
                                      v1::DowngradeResponse* response) override;
  grpc::ServerUnaryReactor* Stamp(grpc::CallbackServerContext* context,
                                  const v1::StampRequest* request,
                                  v1::StampResponse* response) override;
  grpc::ServerUnaryReactor* Lint(grpc::CallbackServerContext* context,
                                 const v1::LintRequest* request,
                                 v1::LintResponse* response) override;
  grpc::ServerUnaryReactor* Rehearse(grpc::CallbackServerContext* context,
                                     const v1::RehearseRequest* request,
                                     v1::RehearseResponse* response) override;
  grpc::ServerUnaryReactor* Diagnose(grpc::CallbackServerContext* context,
                                     const v1::DiagnoseRequest* request,
                                     v1::DiagnoseResponse* response) override;
  grpc::ServerUnaryReactor* DetectDrift(grpc::CallbackServerContext* context,
                                        const v1::DetectDriftRequest* request,
                                        v1::DetectDriftResponse* response) override;
  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const v1::VerifyRequest* request,
                                   v1::VerifyResponse* response) override;
  grpc::ServerUnaryReactor* Amend(grpc::CallbackServerContext* context,
                                  const v1::AmendRequest* request,
                                  v1::AmendResponse* response) override;
  grpc::ServerUnaryReactor* RenderIndex(grpc::CallbackServerContext* context,
                                        const v1::RenderIndexRequest* request,
                                        v1::RenderIndexResponse* response) override;
  grpc::ServerUnaryReactor* GetRun(grpc::CallbackServerContext* context,
                                   const v1::GetRunRequest* request, v1::Run* response) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const v1::ListRunsRequest* request,
                                     v1::ListRunsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRunResponse>* WatchRun(
      grpc::CallbackServerContext* context, const v1::WatchRunRequest* request) override;
  grpc::ServerUnaryReactor* CancelRun(grpc::CallbackServerContext* context,
                                      const v1::CancelRunRequest* request,
                                      v1::CancelRunResponse* response) override;
  grpc::ServerUnaryReactor* PauseRun(grpc::CallbackServerContext* context,
                                     const v1::PauseRunRequest* request,
                                     v1::PauseRunResponse* response) override;
  grpc::ServerUnaryReactor* ResumeRun(grpc::CallbackServerContext* context,
                                      const v1::ResumeRunRequest* request,
                                      v1::ResumeRunResponse* response) override;
  grpc::ServerUnaryReactor* SetRunRate(grpc::CallbackServerContext* context,
                                       const v1::SetRunRateRequest* request,
                                       v1::SetRunRateResponse* response) override;
  grpc::ServerUnaryReactor* ListBackfills(grpc::CallbackServerContext* context,
                                          const v1::ListBackfillsRequest* request,
                                          v1::ListBackfillsResponse* response) override;
  grpc::ServerUnaryReactor* ListArchives(grpc::CallbackServerContext* context,
                                         const v1::ListArchivesRequest* request,
                                         v1::ListArchivesResponse* response) override;
  grpc::ServerUnaryReactor* RestoreArchive(grpc::CallbackServerContext* context,
                                           const v1::RestoreArchiveRequest* request,
                                           v1::RestoreArchiveResponse* response) override;
  grpc::ServerUnaryReactor* PurgeArchives(grpc::CallbackServerContext* context,
                                          const v1::PurgeArchivesRequest* request,
                                          v1::PurgeArchivesResponse* response) override;
  grpc::ServerUnaryReactor* CreateFreeze(grpc::CallbackServerContext* context,
                                         const v1::CreateFreezeRequest* request,
                                         v1::Freeze* response) override;
  grpc::ServerUnaryReactor* ListFreezes(grpc::CallbackServerContext* context,
                                        const v1::ListFreezesRequest* request,
                                        v1::ListFreezesResponse* response) override;
  grpc::ServerUnaryReactor* LiftFreeze(grpc::CallbackServerContext* context,
                                       const v1::LiftFreezeRequest* request,
                                       v1::LiftFreezeResponse* response) override;
  grpc::ServerUnaryReactor* ListGates(grpc::CallbackServerContext* context,
                                      const v1::ListGatesRequest* request,
                                      v1::ListGatesResponse* response) override;
  grpc::ServerUnaryReactor* ListBuilds(grpc::CallbackServerContext* context,
                                       const v1::ListBuildsRequest* request,
                                       v1::ListBuildsResponse* response) override;
  grpc::ServerUnaryReactor* MarkBuild(grpc::CallbackServerContext* context,
                                      const v1::MarkBuildRequest* request,
                                      v1::MarkBuildResponse* response) override;
  grpc::ServerUnaryReactor* UnmarkBuild(grpc::CallbackServerContext* context,
                                        const v1::UnmarkBuildRequest* request,
                                        v1::UnmarkBuildResponse* response) override;

 private:
  absl::StatusOr<rpc::EventSource<v1::WatchRunResponse>> OpenWatch(
      const rpc::Call& call, const v1::WatchRunRequest& request, rpc::Wakeup wakeup);

  Engines& engines_;
  RunManager& runs_;
  RunFeed& feed_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::migration
