#include "services/migration/server/migration_service.h"

#include <memory>
#include <string>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {
namespace {

// Verifications and plans look at whole tables.
const rpc::MethodOptions kSlow = [] {
  rpc::MethodOptions options;
  options.default_deadline = absl::Minutes(10);
  return options;
}();

template <typename Response, typename Request>
using ApiMethod = absl::StatusOr<Response> (Api::*)(const Context&, const Request&);

// Methods that plan or change something go by what the folder says now; a folder that does not load
// is their error.
template <typename Response, typename Request>
auto WithFresh(Engines& engines, ApiMethod<Response, Request> method) {
  return [&engines, method](const rpc::Call& call,
                            const Request& request) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(const std::shared_ptr<Engine> engine, engines.Fresh());
    return (Api(*engine).*method)(call.context(), request);
  };
}

// Methods that only tell something still answer, from the definitions before.
template <typename Response, typename Request>
auto WithNewest(Engines& engines, ApiMethod<Response, Request> method) {
  return [&engines, method](const rpc::Call& call, const Request& request) {
    return (Api(*engines.Look().engine).*method)(call.context(), request);
  };
}

}  // namespace

grpc::ServerUnaryReactor* MigrationService::ListRevisions(grpc::CallbackServerContext* context,
                                                          const v1::ListRevisionsRequest* request,
                                                          v1::ListRevisionsResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListRevisions));
}

grpc::ServerUnaryReactor* MigrationService::GetRevision(grpc::CallbackServerContext* context,
                                                        const v1::GetRevisionRequest* request,
                                                        v1::Revision* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::GetRevision));
}

grpc::ServerUnaryReactor* MigrationService::ListReleases(grpc::CallbackServerContext* context,
                                                         const v1::ListReleasesRequest* request,
                                                         v1::ListReleasesResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListReleases));
}

grpc::ServerUnaryReactor* MigrationService::GetStatus(grpc::CallbackServerContext* context,
                                                      const v1::GetStatusRequest* request,
                                                      v1::GetStatusResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::GetStatusRequest& in) -> absl::StatusOr<v1::GetStatusResponse> {
        const Engines::Newest newest = engines_.Look();
        ASSIGN_OR_RETURN(v1::GetStatusResponse out,
                         Api(*newest.engine).GetStatus(call.context(), in));
        out.set_definitions_problem(MessageOf(newest.problem));
        return out;
      });
}

grpc::ServerUnaryReactor* MigrationService::ListHistory(grpc::CallbackServerContext* context,
                                                        const v1::ListHistoryRequest* request,
                                                        v1::ListHistoryResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListHistory));
}

grpc::ServerUnaryReactor* MigrationService::Plan(grpc::CallbackServerContext* context,
                                                 const v1::PlanRequest* request,
                                                 v1::PlanResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::Plan), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Upgrade(grpc::CallbackServerContext* context,
                                                    const v1::UpgradeRequest* request,
                                                    v1::UpgradeResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call,
                              const v1::UpgradeRequest& in) -> absl::StatusOr<v1::UpgradeResponse> {
                         ASSIGN_OR_RETURN(const AskedRun asked, AskedOf(in));
                         const absl::StatusOr<RunInfo> run = runs_.Start(
                             call.context(), Direction::kUp, asked.target, asked.options);
                         if (!run.ok()) return AtField(run.status(), "target");
                         v1::UpgradeResponse out;
                         *out.mutable_run() = ToProto(*run);
                         return out;
                       });
}

grpc::ServerUnaryReactor* MigrationService::Downgrade(grpc::CallbackServerContext* context,
                                                      const v1::DowngradeRequest* request,
                                                      v1::DowngradeResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::DowngradeRequest& in) -> absl::StatusOr<v1::DowngradeResponse> {
        ASSIGN_OR_RETURN(const AskedRun asked, AskedOf(in));
        const absl::StatusOr<RunInfo> run =
            runs_.Start(call.context(), Direction::kDown, asked.target, asked.options);
        if (!run.ok()) return AtField(run.status(), "target");
        v1::DowngradeResponse out;
        *out.mutable_run() = ToProto(*run);
        return out;
      });
}

grpc::ServerUnaryReactor* MigrationService::Stamp(grpc::CallbackServerContext* context,
                                                  const v1::StampRequest* request,
                                                  v1::StampResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::Stamp), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Lint(grpc::CallbackServerContext* context,
                                                 const v1::LintRequest* request,
                                                 v1::LintResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::Lint), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Rehearse(grpc::CallbackServerContext* context,
                                                     const v1::RehearseRequest* request,
                                                     v1::RehearseResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::Rehearse), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Diagnose(grpc::CallbackServerContext* context,
                                                     const v1::DiagnoseRequest* request,
                                                     v1::DiagnoseResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::Diagnose), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::DetectDrift(grpc::CallbackServerContext* context,
                                                        const v1::DetectDriftRequest* request,
                                                        v1::DetectDriftResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::DetectDrift), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Verify(grpc::CallbackServerContext* context,
                                                   const v1::VerifyRequest* request,
                                                   v1::VerifyResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::Verify), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Amend(grpc::CallbackServerContext* context,
                                                  const v1::AmendRequest* request,
                                                  v1::AmendResponse* response) {
  return runner_.Unary(context, request, response, WithFresh(engines_, &Api::Amend));
}

grpc::ServerUnaryReactor* MigrationService::RenderIndex(grpc::CallbackServerContext* context,
                                                        const v1::RenderIndexRequest* request,
                                                        v1::RenderIndexResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::RenderIndex));
}

grpc::ServerUnaryReactor* MigrationService::GetRun(grpc::CallbackServerContext* context,
                                                   const v1::GetRunRequest* request,
                                                   v1::Run* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::GetRun));
}

grpc::ServerUnaryReactor* MigrationService::ListRuns(grpc::CallbackServerContext* context,
                                                     const v1::ListRunsRequest* request,
                                                     v1::ListRunsResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListRuns));
}

absl::StatusOr<rpc::EventSource<v1::WatchRunResponse>> MigrationService::OpenWatch(
    const rpc::Call& call, const v1::WatchRunRequest& request, rpc::Wakeup wakeup) {
  ASSIGN_OR_RETURN(std::string id, RunIdFromName(request.name()));
  if (request.after_offset() < 0) {
    return InvalidField("after_offset", "OFFSET_NEGATIVE", "must be 0 (all events) or more");
  }
  if (!feed_.Follows(id)) {
    ASSIGN_OR_RETURN(const RunInfo run, engines_.Known()->GetRun(call.context(), id));
    id = run.id;
  }
  return rpc::EventSource<v1::WatchRunResponse>(
      [context = call.context(), offset = request.after_offset(),
       watcher = feed_.Watch(id, [wakeup] {
         wakeup.Notify();
       })]() mutable -> absl::StatusOr<rpc::EventBatch<v1::WatchRunResponse>> {
        ASSIGN_OR_RETURN(const RunFeed::Page page, watcher->Read(context, offset));
        rpc::EventBatch<v1::WatchRunResponse> batch;
        for (const RunEvent& event : page.events) {
          *batch.messages.emplace_back().mutable_event() = ToProto(event);
          offset = event.offset;
        }
        batch.has_more = page.has_more;
        batch.is_end = page.is_end;
        return batch;
      });
}

grpc::ServerWriteReactor<v1::WatchRunResponse>* MigrationService::WatchRun(
    grpc::CallbackServerContext* context, const v1::WatchRunRequest* request) {
  return runner_.Events<v1::WatchRunResponse>(
      context, request,
      [this](const rpc::Call& call, const v1::WatchRunRequest& in, rpc::Wakeup wakeup) {
        return OpenWatch(call, in, std::move(wakeup));
      });
}

grpc::ServerUnaryReactor* MigrationService::CancelRun(grpc::CallbackServerContext* context,
                                                      const v1::CancelRunRequest* request,
                                                      v1::CancelRunResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::CancelRunRequest& in) -> absl::StatusOr<v1::CancelRunResponse> {
        ASSIGN_OR_RETURN(const std::string name, RunIdFromName(in.name()));
        ASSIGN_OR_RETURN(const RunInfo run, engines_.Known()->GetRun(call.context(), name));
        // Of this process at once, of another one through the ledger.
        if (!runs_.Cancel(run.id).ok()) {
          return Api(*engines_.Known()).CancelRun(call.context(), in);
        }
        v1::CancelRunResponse out;
        *out.mutable_run() = ToProto(run);
        return out;
      });
}

grpc::ServerUnaryReactor* MigrationService::PauseRun(grpc::CallbackServerContext* context,
                                                     const v1::PauseRunRequest* request,
                                                     v1::PauseRunResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::PauseRun));
}

grpc::ServerUnaryReactor* MigrationService::ResumeRun(grpc::CallbackServerContext* context,
                                                      const v1::ResumeRunRequest* request,
                                                      v1::ResumeRunResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ResumeRun));
}

grpc::ServerUnaryReactor* MigrationService::SetRunRate(grpc::CallbackServerContext* context,
                                                       const v1::SetRunRateRequest* request,
                                                       v1::SetRunRateResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::SetRunRate));
}

grpc::ServerUnaryReactor* MigrationService::ListBackfills(grpc::CallbackServerContext* context,
                                                          const v1::ListBackfillsRequest* request,
                                                          v1::ListBackfillsResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListBackfills));
}

grpc::ServerUnaryReactor* MigrationService::ListArchives(grpc::CallbackServerContext* context,
                                                         const v1::ListArchivesRequest* request,
                                                         v1::ListArchivesResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListArchives));
}

grpc::ServerUnaryReactor* MigrationService::RestoreArchive(grpc::CallbackServerContext* context,
                                                           const v1::RestoreArchiveRequest* request,
                                                           v1::RestoreArchiveResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::RestoreArchive),
                       kSlow);
}

grpc::ServerUnaryReactor* MigrationService::PurgeArchives(grpc::CallbackServerContext* context,
                                                          const v1::PurgeArchivesRequest* request,
                                                          v1::PurgeArchivesResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::PurgeArchives),
                       kSlow);
}

grpc::ServerUnaryReactor* MigrationService::CreateFreeze(grpc::CallbackServerContext* context,
                                                         const v1::CreateFreezeRequest* request,
                                                         v1::Freeze* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::CreateFreeze));
}

grpc::ServerUnaryReactor* MigrationService::ListFreezes(grpc::CallbackServerContext* context,
                                                        const v1::ListFreezesRequest* request,
                                                        v1::ListFreezesResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListFreezes));
}

grpc::ServerUnaryReactor* MigrationService::LiftFreeze(grpc::CallbackServerContext* context,
                                                       const v1::LiftFreezeRequest* request,
                                                       v1::LiftFreezeResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::LiftFreeze));
}

grpc::ServerUnaryReactor* MigrationService::ListGates(grpc::CallbackServerContext* context,
                                                      const v1::ListGatesRequest* request,
                                                      v1::ListGatesResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListGates));
}

grpc::ServerUnaryReactor* MigrationService::ListBuilds(grpc::CallbackServerContext* context,
                                                       const v1::ListBuildsRequest* request,
                                                       v1::ListBuildsResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::ListBuilds));
}

grpc::ServerUnaryReactor* MigrationService::MarkBuild(grpc::CallbackServerContext* context,
                                                      const v1::MarkBuildRequest* request,
                                                      v1::MarkBuildResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::MarkBuild));
}

grpc::ServerUnaryReactor* MigrationService::UnmarkBuild(grpc::CallbackServerContext* context,
                                                        const v1::UnmarkBuildRequest* request,
                                                        v1::UnmarkBuildResponse* response) {
  return runner_.Unary(context, request, response, WithNewest(engines_, &Api::UnmarkBuild));
}

}  // namespace lockstep::migration
