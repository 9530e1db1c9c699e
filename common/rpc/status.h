// absl::Status inside, google.rpc.Status outside.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace lockstep::rpc {

// The longest google.rpc.Status that leaves the process. Trailers share 8 KB and carry the details
// in base64.
inline constexpr std::size_t kMaxStatusBytes = 4000;

// For the wire, and for rows of a response that fail one by one: google.rpc.Status with ErrorInfo
// (domain `domain`, a reason always), BadRequest, RetryInfo and RequestInfo (`request_id`).
// Payloads of other types stay in the process. Where it would be over kMaxStatusBytes, field
// violations are dropped from the end and ErrorInfo's metadata says how many
// (`omitted_field_violations`). Pure.
[[nodiscard]] google::rpc::Status ToProto(const absl::Status& status, std::string_view domain,
                                          std::string_view request_id);
// The same for the end of a call.
[[nodiscard]] grpc::Status ToGrpc(const absl::Status& status, std::string_view domain,
                                  std::string_view request_id);

// The inverse, for clients: code, message and every detail as a payload, so that ReasonOf,
// MetadataOf and FieldsOf work. Without details (gRPC itself answered): the reason is the code's
// name, UNAVAILABLE is PEER_UNREACHABLE. Pure.
[[nodiscard]] absl::Status FromGrpc(const grpc::Status& status);

}  // namespace lockstep::rpc
