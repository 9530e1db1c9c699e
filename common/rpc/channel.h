// Calls to other services.
//
//   auto channel = rpc::MakeChannel("127.0.0.1:7101");  // one per target, while the process lives
//   auto stub = catalog::InventoryService::NewStub(channel);
//   rpc::ClientCall peer(call, absl::Seconds(5));  // cancellation and request id travel along
//   RETURN_IF_ERROR(rpc::FromGrpc(stub->MarkSold(peer.context(), request, &response)));
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/rpc/call.h"
#include "common/rpc/status.h"
#include "grpcpp/grpcpp.h"

namespace lockstep::rpc {

struct ChannelOptions {
  // UNAVAILABLE only, at most 3 attempts, throttled when many fail. Right for methods that may be
  // repeated: reads, and changes that carry a request_id, which our own clients always send.
  bool retries = true;
  int max_message_bytes = 16 << 20;
  absl::Duration keepalive_interval = absl::Minutes(1);
  absl::Duration keepalive_timeout = absl::Seconds(10);
};

// Plaintext, round_robin over all addresses of `target` ("host:port", "dns:///name:port",
// "unix:PATH"). Connects lazily.
[[nodiscard]] std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                                         const ChannelOptions& options = {});

// One outgoing call. Thread-compatible; lives until the call has ended.
class ClientCall final {
 public:
  // Ends at the earlier of the context's deadline and `timeout` from now; cancelled with the
  // context.
  ClientCall(const Context& context, std::string_view request_id, absl::Duration timeout);
  ClientCall(const Call& call, absl::Duration timeout);
  ClientCall(const ClientCall&) = delete;
  ClientCall& operator=(const ClientCall&) = delete;

  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
  Context::Registration registration_;  // Ends before the context that it cancels.
};

}  // namespace lockstep::rpc
