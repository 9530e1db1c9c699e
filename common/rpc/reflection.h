// Server reflection, v1 and v1alpha, over the callback API.
//
// gRPC's own library serves v1alpha only and with the synchronous API, which adds a second set of
// threads to the server that grows with the number of open streams. These two answer from the
// linked descriptors on gRPC's callback threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/grpcpp.h"

namespace lockstep::rpc {

// Filled when the server starts, before the first call.
using ServiceNames = std::vector<std::string>;

// Both services. `names` is what list_services answers; it outlives them.
[[nodiscard]] std::vector<std::unique_ptr<grpc::Service>> MakeReflectionServices(
    const ServiceNames& names);

}  // namespace lockstep::rpc
