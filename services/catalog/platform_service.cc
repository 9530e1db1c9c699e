#include "services/catalog/platform_service.h"

#include "common/status/error.h"
#include "services/catalog/text.h"

namespace lockstep::catalog {

PlatformService::PlatformService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner)
    : platforms_(PlatformSpec(), pool, signer), runner_(runner) {}

grpc::ServerUnaryReactor* PlatformService::GetPlatform(grpc::CallbackServerContext* context,
                                                       const v1::GetPlatformRequest* request,
                                                       v1::Platform* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::GetPlatformRequest& in) {
                         return platforms_.Get(call, in.name());
                       });
}

grpc::ServerUnaryReactor* PlatformService::ListPlatforms(grpc::CallbackServerContext* context,
                                                         const v1::ListPlatformsRequest* request,
                                                         v1::ListPlatformsResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ListPlatformsRequest& in) {
                         return platforms_.List(call, in,
                                                &v1::ListPlatformsResponse::mutable_platforms);
                       });
}

grpc::ServerUnaryReactor* PlatformService::CreatePlatform(grpc::CallbackServerContext* context,
                                                          const v1::CreatePlatformRequest* request,
                                                          v1::Platform* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const v1::CreatePlatformRequest& in) -> absl::StatusOr<v1::Platform> {
        if (!IsStrictSlug(in.platform_id())) {
          return InvalidField("platform_id", "SLUG_MALFORMED", "1 to 100 of a-z, 0-9 and hyphen");
        }
        return platforms_.Create(call, in, in.platform(), {{"slug", in.platform_id()}});
      });
}

grpc::ServerUnaryReactor* PlatformService::UpdatePlatform(grpc::CallbackServerContext* context,
                                                          const v1::UpdatePlatformRequest* request,
                                                          v1::Platform* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::UpdatePlatformRequest& in) {
                         return platforms_.Update(call, in, in.platform());
                       });
}

}  // namespace lockstep::catalog
