// The part of a call that does not depend on its message types: admission, context, outcome. Used
// by Runner only.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/alarm.h"
#include "grpcpp/grpcpp.h"

namespace lockstep::rpc {

// What differs between methods. Unset: the Runner's options.
struct MethodOptions {
  std::optional<absl::Duration> default_deadline;  // for calls that bring none
  std::optional<absl::Duration> max_deadline;      // longer ones are cut to this
};

// "lockstep.orders.v1.OrderService/GetOrder", found by the request's type: each method has a
// request type of its own.
[[nodiscard]] std::string MethodNameOf(const google::protobuf::Descriptor& request);

// The client's id when it is printable and short, else a new one.
[[nodiscard]] std::string RequestIdFrom(const grpc::CallbackServerContext& context);

namespace internal {

struct RunnerCore;

// Which workers and which default deadline a call gets.
enum class Lane { kUnary, kStream, kEvents };

// Lives until gRPC is done with the call and its task, if any, has ended. Thread-safe.
class CallCore final {
 public:
  CallCore(RunnerCore& runner, grpc::CallbackServerContext* server_context, std::string method,
           Lane lane, const MethodOptions& method_options);

  const Call& call() const { return call_; }
  RunnerCore& runner() { return runner_; }

  // The client gave up or its deadline passed: reactors call this from OnCancel.
  void Cancel();
  // OK, or why nobody waits for the result.
  [[nodiscard]] absl::Status Check() const;

  // Runs `task` on a worker of the call's lane; else the status to answer with: RESOURCE_EXHAUSTED
  // (QUEUE_FULL), or UNAVAILABLE (SERVER_STOPPING) when there will be no worker any more. `task`
  // must not throw.
  [[nodiscard]] absl::Status Post(absl::AnyInvocable<void()> task);
  // Check, validation of `request` (may be null), then `body`; exceptions become INTERNAL
  // (INVARIANT_BROKEN).
  [[nodiscard]] absl::Status RunGuarded(const google::protobuf::Message* request,
                                        absl::AnyInvocable<absl::Status()>& body);
  // Writes the access log and gives the status for the wire. Call it exactly once.
  [[nodiscard]] grpc::Status End(absl::Status status);

 private:
  RunnerCore& runner_;
  const Lane lane_;
  const absl::Time started_;
  const Call call_;
  std::atomic<std::int64_t> queued_us_{0};  // how long it waited for a worker
  // Ends the call's context at a deadline that gRPC does not know: the method's default, or the
  // cap.
  std::unique_ptr<grpc::Alarm> alarm_;
};

}  // namespace internal
}  // namespace lockstep::rpc
