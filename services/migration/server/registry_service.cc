#include "services/migration/server/registry_service.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {
namespace {

constexpr absl::Duration kDefaultTtl = absl::Seconds(15);
constexpr absl::Duration kLongestTtl = absl::Minutes(5);
// A waiting call holds a worker, so it is short, and its caller asks again.
constexpr absl::Duration kLongestWait = absl::Seconds(2);
constexpr absl::Duration kWaitStep = absl::Milliseconds(100);

absl::StatusOr<absl::Duration> TtlOf(bool is_set, const google::protobuf::Duration& ttl) {
  if (!is_set) return kDefaultTtl;
  const absl::Duration duration = absl::Seconds(ttl.seconds()) + absl::Nanoseconds(ttl.nanos());
  if (duration < absl::Seconds(1) || duration > kLongestTtl) {
    return InvalidField("ttl", "TTL_OUT_OF_RANGE", "between 1 s and 5 min");
  }
  return duration;
}

}  // namespace

grpc::ServerUnaryReactor* RegistryService::Register(grpc::CallbackServerContext* context,
                                                    const v1::RegisterRequest* request,
                                                    v1::RegisterResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::RegisterRequest& in) -> absl::StatusOr<v1::RegisterResponse> {
        RegisterOptions options;
        options.id = in.instance().id();
        options.service = in.instance().service();
        options.build = in.instance().build();
        options.required_revision = in.instance().required_revision();
        options.built_for = in.instance().built_for();
        options.address = in.instance().address();
        options.manifest = FromProto(in.manifest());
        ASSIGN_OR_RETURN(options.ttl, TtlOf(in.has_ttl(), in.ttl()));
        ASSIGN_OR_RETURN(const Instance instance,
                         engines_.Look().engine->Register(call.context(), options));
        v1::RegisterResponse out;
        *out.mutable_instance() = ToProto(instance);
        return out;
      });
}

grpc::ServerUnaryReactor* RegistryService::Heartbeat(grpc::CallbackServerContext* context,
                                                     const v1::HeartbeatRequest* request,
                                                     v1::HeartbeatResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::HeartbeatRequest& in) -> absl::StatusOr<v1::HeartbeatResponse> {
        ASSIGN_OR_RETURN(const absl::Duration ttl, TtlOf(in.has_ttl(), in.ttl()));
        ASSIGN_OR_RETURN(const Instance instance,
                         engines_.Known()->Heartbeat(call.context(), in.instance_id(), ttl));
        v1::HeartbeatResponse out;
        *out.mutable_instance() = ToProto(instance);
        return out;
      });
}

grpc::ServerUnaryReactor* RegistryService::Deregister(grpc::CallbackServerContext* context,
                                                      const v1::DeregisterRequest* request,
                                                      v1::DeregisterResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::DeregisterRequest& in) -> absl::StatusOr<v1::DeregisterResponse> {
        RETURN_IF_ERROR(engines_.Known()->Deregister(call.context(), in.instance_id()));
        return v1::DeregisterResponse();
      });
}

grpc::ServerUnaryReactor* RegistryService::ListInstances(grpc::CallbackServerContext* context,
                                                         const v1::ListInstancesRequest* request,
                                                         v1::ListInstancesResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::ListInstancesRequest&) -> absl::StatusOr<v1::ListInstancesResponse> {
        ASSIGN_OR_RETURN(const std::vector<Instance> instances,
                         engines_.Known()->Instances(call.context()));
        v1::ListInstancesResponse out;
        for (const Instance& instance : instances) *out.add_instances() = ToProto(instance);
        return out;
      });
}

grpc::ServerUnaryReactor* RegistryService::WaitForRevision(
    grpc::CallbackServerContext* context, const v1::WaitForRevisionRequest* request,
    v1::WaitForRevisionResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::WaitForRevisionRequest& in) -> absl::StatusOr<v1::WaitForRevisionResponse> {
        const absl::Time give_up = absl::Now() + kLongestWait;
        const std::shared_ptr<Engine> engine = engines_.Look().engine;
        v1::WaitForRevisionResponse out;
        while (true) {
          const absl::StatusOr<bool> is_applied =
              engine->IsApplied(call.context(), in.service(), in.revision());
          if (!is_applied.ok()) return AtField(is_applied.status(), "revision");
          out.set_is_applied(*is_applied);
          // Answers before the caller's own deadline, so that "not yet" is not an error.
          if (*is_applied || absl::Now() + kWaitStep >= give_up ||
              call.context().remaining() < 2 * kWaitStep) {
            return out;
          }
          RETURN_IF_ERROR(call.context().Check());
          absl::SleepFor(kWaitStep);
        }
      });
}

absl::StatusOr<rpc::EventSource<v1::WatchRevisionResponse>> RegistryService::OpenWatch(
    const rpc::Call& call, const v1::WatchRevisionRequest& request, rpc::Wakeup wakeup) {
  const absl::StatusOr<bool> is_applied =
      engines_.Look().engine->IsApplied(call.context(), request.service(), request.revision());
  if (!is_applied.ok()) return AtField(is_applied.status(), "revision");
  return rpc::EventSource<v1::WatchRevisionResponse>(
      [sent = std::optional<bool>(),
       watcher = feed_.Watch(
           {.service = request.service(), .revision = request.revision()}, *is_applied, [wakeup] {
             wakeup.Notify();
           })]() mutable -> absl::StatusOr<rpc::EventBatch<v1::WatchRevisionResponse>> {
        rpc::EventBatch<v1::WatchRevisionResponse> batch;
        const bool is_applied_now = watcher->IsApplied();
        if (sent != is_applied_now) {
          batch.messages.emplace_back().set_is_applied(is_applied_now);
          sent = is_applied_now;
        }
        return batch;
      });
}

grpc::ServerWriteReactor<v1::WatchRevisionResponse>* RegistryService::WatchRevision(
    grpc::CallbackServerContext* context, const v1::WatchRevisionRequest* request) {
  return runner_.Events<v1::WatchRevisionResponse>(
      context, request,
      [this](const rpc::Call& call, const v1::WatchRevisionRequest& in, rpc::Wakeup wakeup) {
        return OpenWatch(call, in, std::move(wakeup));
      });
}

}  // namespace lockstep::migration
