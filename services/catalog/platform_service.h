// lockstep.catalog.v1.PlatformService: transport.
#pragma once

#include "common/rpc/runner.h"
#include "lockstep/catalog/v1/platform_service.grpc.pb.h"
#include "services/catalog/resources.h"

namespace lockstep::catalog {

class PlatformService final : public v1::PlatformService::CallbackService {
 public:
  PlatformService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner);

  grpc::ServerUnaryReactor* GetPlatform(grpc::CallbackServerContext* context,
                                        const v1::GetPlatformRequest* request,
                                        v1::Platform* response) override;
  grpc::ServerUnaryReactor* ListPlatforms(grpc::CallbackServerContext* context,
                                          const v1::ListPlatformsRequest* request,
                                          v1::ListPlatformsResponse* response) override;
  grpc::ServerUnaryReactor* CreatePlatform(grpc::CallbackServerContext* context,
                                           const v1::CreatePlatformRequest* request,
                                           v1::Platform* response) override;
  grpc::ServerUnaryReactor* UpdatePlatform(grpc::CallbackServerContext* context,
                                           const v1::UpdatePlatformRequest* request,
                                           v1::Platform* response) override;

 private:
  Resources<v1::Platform> platforms_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::catalog
