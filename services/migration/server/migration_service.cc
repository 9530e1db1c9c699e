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
                         RunOptions options;
                         ASSIGN_OR_RETURN(options.run_id, RunIdOfRequest(in.request_id()));
                         ASSIGN_OR_RETURN(options.cancel_blockers, FromProto(in.cancel_blockers()));
                         const std::string target = in.target().empty() ? "head" : in.target();
                         const absl::StatusOr<RunInfo> run =
                             runs_.Start(call.context(), Direction::kUp, target, options);
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
        RunOptions options;
        ASSIGN_OR_RETURN(options.run_id, RunIdOfRequest(in.request_id()));
        ASSIGN_OR_RETURN(options.cancel_blockers, FromProto(in.cancel_blockers()));
        options.archive = in.archive();
        options.allow_irreversible = in.allow_irreversible();
        const absl::StatusOr<RunInfo> run =
            runs_.Start(call.context(), Direction::kDown, in.target(), options);
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
        RETURN_IF_ERROR(runs_.Cancel(run.id));
        v1::CancelRunResponse out;
        *out.mutable_run() = ToProto(run);
        return out;
      });
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

}  // namespace lockstep::migration
