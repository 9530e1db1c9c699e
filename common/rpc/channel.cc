#include "common/rpc/channel.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/time/clock.h"

namespace lockstep::rpc {
namespace {

// Retries and load balancing only: a `timeout` here would fire early without the server knowing.
constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {
      "maxAttempts": 3,
      "initialBackoff": "0.05s",
      "maxBackoff": "1s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
})";
constexpr char kServiceConfigWithoutRetries[] = R"({"loadBalancingConfig": [{"round_robin": {}}]})";

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           const ChannelOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(options.retries ? kServiceConfig : kServiceConfigWithoutRetries);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, options.retries ? 1 : 0);
  // The addresses' DNS records must not change how we call: our own service config is the only one.
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_interval));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  // A peer that restarts is back within seconds; gRPC's default waits up to two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

ClientCall::ClientCall(const Context& context, std::string_view request_id,
                       absl::Duration timeout) {
  const absl::Time deadline = std::min(context.deadline(), absl::Now() + timeout);
  context_.set_deadline(absl::ToChronoTime(deadline));
  context_.AddMetadata("x-request-id", std::string(request_id));
  registration_ = context.OnCancel([this] { context_.TryCancel(); });
}

ClientCall::ClientCall(const Call& call, absl::Duration timeout)
    : ClientCall(call.context(), call.request_id(), timeout) {}

}  // namespace lockstep::rpc
