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

// Thread-safe. Outlives the grpc::Server that its services are registered with.
class Reflection final {
 public:
  // `names` is what list_services answers; it outlives this object.
  explicit Reflection(const ServiceNames& names);
  ~Reflection();
  Reflection(const Reflection&) = delete;
  Reflection& operator=(const Reflection&) = delete;

  // Both services.
  std::vector<grpc::Service*> services() const;
  // Ends the open streams and later ones with UNAVAILABLE: inspectors keep them open for as long as
  // they like, and must not hold up the server's shutdown.
  void CloseStreams();

  // The open streams of both. Used by their reactors only.
  class Streams;

 private:
  std::unique_ptr<Streams> streams_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
};

}  // namespace lockstep::rpc
