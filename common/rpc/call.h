// What a handler knows about the call that it serves.
#pragma once

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/context/context.h"

namespace lockstep::rpc {

// Cheap to copy; copies share the context. Thread-safe.
class Call {
 public:
  // Handlers get theirs from the Runner; background jobs and tests make their own.
  Call(Context context, std::string request_id, std::string method, std::string peer = {})
      : context_(std::move(context)),
        request_id_(std::move(request_id)),
        method_(std::move(method)),
        peer_(std::move(peer)) {}

  // Ends with the call: cancelled when the client gives up or the deadline passes. Hand it to
  // everything that waits.
  const Context& context() const { return context_; }
  absl::Time deadline() const { return context_.deadline(); }
  // Of this attempt, for logs: the client's x-request-id or one of ours. Not the request_id field
  // of a message, which names a change and stays the same over retries.
  const std::string& request_id() const { return request_id_; }
  // "lockstep.orders.v1.OrderService/GetOrder".
  const std::string& method() const { return method_; }
  // Where the client connected from, as gRPC writes it ("ipv4:127.0.0.1:40112").
  const std::string& peer() const { return peer_; }

 private:
  Context context_;
  std::string request_id_;
  std::string method_;
  std::string peer_;
};

}  // namespace lockstep::rpc
