// RegistryService over gRPC: maps calls to the engine's registry.
#pragma once

#include "common/rpc/runner.h"
#include "lockstep/migration/v1/registry_service.grpc.pb.h"
#include "services/migration/server/engines.h"
#include "services/migration/server/revision_feed.h"

namespace lockstep::migration {

class RegistryService final : public v1::RegistryService::CallbackService {
 public:
  RegistryService(Engines& engines, RevisionFeed& feed, rpc::Runner& runner)
      : engines_(engines), feed_(feed), runner_(runner) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* Deregister(grpc::CallbackServerContext* context,
                                       const v1::DeregisterRequest* request,
                                       v1::DeregisterResponse* response) override;
  grpc::ServerUnaryReactor* ListInstances(grpc::CallbackServerContext* context,
                                          const v1::ListInstancesRequest* request,
                                          v1::ListInstancesResponse* response) override;
  grpc::ServerUnaryReactor* WaitForRevision(grpc::CallbackServerContext* context,
                                            const v1::WaitForRevisionRequest* request,
                                            v1::WaitForRevisionResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRevisionResponse>* WatchRevision(
      grpc::CallbackServerContext* context, const v1::WatchRevisionRequest* request) override;

 private:
  absl::StatusOr<rpc::EventSource<v1::WatchRevisionResponse>> OpenWatch(
      const rpc::Call& call, const v1::WatchRevisionRequest& request, rpc::Wakeup wakeup);

  Engines& engines_;
  RevisionFeed& feed_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::migration
