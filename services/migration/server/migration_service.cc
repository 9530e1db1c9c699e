#include "services/migration/server/migration_service.h"

#include <memory>
#include <string>
#include <utility>

#include "common/ids/resource_name.h"
#include "common/ids/uuid.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {
namespace {

// Verifications and plans look at whole tables.
const rpc::MethodOptions kSlow = [] {
  rpc::MethodOptions options;
  options.default_deadline = absl::Minutes(10);
  return options;
}();

// Pages of events that one pull of a watcher reads.
constexpr int kWatchPage = 200;

absl::StatusOr<std::string> RunIdOrNew(const std::string& request_id) {
  if (request_id.empty()) return NewUuid();
  ASSIGN_OR_RETURN(ids::Uuid uuid, ids::UuidFromName("runs/" + request_id, "runs", "request_id"));
  return uuid.text();
}

// Wraps a method of Api as a handler.
template <typename Response, typename Request>
auto Handler(Api& api, absl::StatusOr<Response> (Api::*method)(const Context&, const Request&)) {
  return [&api, method](const rpc::Call& call, const Request& request) {
    return (api.*method)(call.context(), request);
  };
}

}  // namespace

grpc::ServerUnaryReactor* MigrationService::ListRevisions(grpc::CallbackServerContext* context,
                                                          const v1::ListRevisionsRequest* request,
                                                          v1::ListRevisionsResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::ListRevisions));
}

grpc::ServerUnaryReactor* MigrationService::GetRevision(grpc::CallbackServerContext* context,
                                                        const v1::GetRevisionRequest* request,
                                                        v1::Revision* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::GetRevision));
}

grpc::ServerUnaryReactor* MigrationService::ListReleases(grpc::CallbackServerContext* context,
                                                         const v1::ListReleasesRequest* request,
                                                         v1::ListReleasesResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::ListReleases));
}

grpc::ServerUnaryReactor* MigrationService::GetStatus(grpc::CallbackServerContext* context,
                                                      const v1::GetStatusRequest* request,
                                                      v1::GetStatusResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::GetStatus));
}

grpc::ServerUnaryReactor* MigrationService::ListHistory(grpc::CallbackServerContext* context,
                                                        const v1::ListHistoryRequest* request,
                                                        v1::ListHistoryResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::ListHistory));
}

grpc::ServerUnaryReactor* MigrationService::Plan(grpc::CallbackServerContext* context,
                                                 const v1::PlanRequest* request,
                                                 v1::PlanResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::Plan), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Upgrade(grpc::CallbackServerContext* context,
                                                    const v1::UpgradeRequest* request,
                                                    v1::UpgradeResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call,
                              const v1::UpgradeRequest& in) -> absl::StatusOr<v1::UpgradeResponse> {
                         RunOptions options;
                         ASSIGN_OR_RETURN(options.run_id, RunIdOrNew(in.request_id()));
                         const std::string target = in.target().empty() ? "head" : in.target();
                         ASSIGN_OR_RETURN(
                             const RunInfo run,
                             runs_.Start(call.context(), Direction::kUp, target, options));
                         v1::UpgradeResponse out;
                         *out.mutable_run() = ToProto(run);
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
        ASSIGN_OR_RETURN(options.run_id, RunIdOrNew(in.request_id()));
        options.archive = in.archive();
        options.allow_irreversible = in.allow_irreversible();
        ASSIGN_OR_RETURN(const RunInfo run,
                         runs_.Start(call.context(), Direction::kDown, in.target(), options));
        v1::DowngradeResponse out;
        *out.mutable_run() = ToProto(run);
        return out;
      });
}

grpc::ServerUnaryReactor* MigrationService::Stamp(grpc::CallbackServerContext* context,
                                                  const v1::StampRequest* request,
                                                  v1::StampResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::Stamp), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Verify(grpc::CallbackServerContext* context,
                                                   const v1::VerifyRequest* request,
                                                   v1::VerifyResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::Verify), kSlow);
}

grpc::ServerUnaryReactor* MigrationService::Amend(grpc::CallbackServerContext* context,
                                                  const v1::AmendRequest* request,
                                                  v1::AmendResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::Amend));
}

grpc::ServerUnaryReactor* MigrationService::RenderIndex(grpc::CallbackServerContext* context,
                                                        const v1::RenderIndexRequest* request,
                                                        v1::RenderIndexResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::RenderIndex));
}

grpc::ServerUnaryReactor* MigrationService::GetRun(grpc::CallbackServerContext* context,
                                                   const v1::GetRunRequest* request,
                                                   v1::Run* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::GetRun));
}

grpc::ServerUnaryReactor* MigrationService::ListRuns(grpc::CallbackServerContext* context,
                                                     const v1::ListRunsRequest* request,
                                                     v1::ListRunsResponse* response) {
  return runner_.Unary(context, request, response, Handler(api_, &Api::ListRuns));
}

absl::StatusOr<rpc::EventSource<v1::WatchRunResponse>> MigrationService::OpenWatch(
    const rpc::Call& call, const v1::WatchRunRequest& request, rpc::Wakeup wakeup) {
  ASSIGN_OR_RETURN(const std::string name, RunIdFromName(request.name()));
  ASSIGN_OR_RETURN(const RunInfo found, engine_.GetRun(call.context(), name));
  // Shared with the source, which is move-only inside but must be callable again and again.
  auto subscription = std::shared_ptr<RunManager::Subscription>(
      runs_.Subscribe(found.id, [wakeup] { wakeup.Notify(); }));
  return rpc::EventSource<v1::WatchRunResponse>(
      [this, context = call.context(), id = found.id, offset = request.after_offset(), subscription,
       wakeup]() mutable -> absl::StatusOr<rpc::EventBatch<v1::WatchRunResponse>> {
        // The run's state is read before its events: a run that was over then has no later event.
        ASSIGN_OR_RETURN(const RunInfo run, engine_.GetRun(context, id));
        ASSIGN_OR_RETURN(const std::vector<RunEvent> events,
                         engine_.ReadEvents(context, id, offset, kWatchPage));
        rpc::EventBatch<v1::WatchRunResponse> batch;
        for (const RunEvent& event : events) {
          v1::WatchRunResponse message;
          *message.mutable_event() = ToProto(event);
          batch.messages.push_back(std::move(message));
          offset = event.offset;
        }
        batch.has_more = events.size() == kWatchPage;
        batch.is_end = !batch.has_more && IsOver(ToProto(run).state());
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
        ASSIGN_OR_RETURN(const RunInfo run, engine_.GetRun(call.context(), name));
        RETURN_IF_ERROR(runs_.Cancel(run.id));
        v1::CancelRunResponse out;
        *out.mutable_run() = ToProto(run);
        return out;
      });
}

}  // namespace lockstep::migration
