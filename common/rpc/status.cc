#include "common/rpc/status.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "common/status/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace lockstep::rpc {
namespace {

// The message travels twice: inside the details and, percent-encoded, as grpc-message.
constexpr std::size_t kMaxMessageBytes = 512;
constexpr std::size_t kMaxMetadataValueBytes = 256;
constexpr std::size_t kMaxMetadataBytes = 1500;
constexpr std::size_t kMaxReasonBytes = 63;
constexpr char kTypePrefix[] = "type.googleapis.com/";
constexpr char kOmittedKey[] = "omitted_field_violations";

// Cuts at a character border, so that the result is still UTF-8.
std::string Shortened(std::string text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text + "...";
}

template <typename Message>
bool ReadPayload(const absl::Status& status, Message& message) {
  const std::string url = kTypePrefix + Message::descriptor()->full_name();
  const auto payload = status.GetPayload(url);
  return payload.has_value() && message.ParseFromString(std::string(*payload));
}

// ErrorInfo within its part of the budget.
google::rpc::ErrorInfo BoundedInfo(const absl::Status& status, std::string_view domain) {
  google::rpc::ErrorInfo info;
  ReadPayload(status, info);
  if (info.reason().empty()) info.set_reason(absl::StatusCodeToString(status.code()));
  info.set_reason(Shortened(info.reason(), kMaxReasonBytes));
  if (info.domain().empty()) info.set_domain(std::string(domain));

  // A map has no order of its own: sorted, so that the same error always keeps the same entries.
  std::vector<std::pair<std::string, std::string>> entries(info.metadata().begin(),
                                                           info.metadata().end());
  std::sort(entries.begin(), entries.end());
  info.clear_metadata();
  std::size_t bytes = 0;
  for (auto& [key, value] : entries) {
    value = Shortened(std::move(value), kMaxMetadataValueBytes);
    bytes += key.size() + value.size();
    if (bytes > kMaxMetadataBytes) break;
    (*info.mutable_metadata())[key] = std::move(value);
  }
  return info;
}

google::rpc::Status Assemble(const absl::Status& status, const google::rpc::ErrorInfo& info,
                             const google::rpc::BadRequest& bad, std::string_view request_id) {
  google::rpc::Status result;
  result.set_code(static_cast<int>(status.code()));
  result.set_message(Shortened(MessageOf(status), kMaxMessageBytes));
  result.add_details()->PackFrom(info);
  if (bad.field_violations_size() > 0) result.add_details()->PackFrom(bad);
  if (google::rpc::RetryInfo retry; ReadPayload(status, retry)) {
    result.add_details()->PackFrom(retry);
  }
  google::rpc::RequestInfo request;
  request.set_request_id(std::string(request_id));
  result.add_details()->PackFrom(request);
  return result;
}

}  // namespace

google::rpc::Status ToProto(const absl::Status& status, std::string_view domain,
                            std::string_view request_id) {
  if (status.ok()) return {};
  google::rpc::ErrorInfo info = BoundedInfo(status, domain);
  google::rpc::BadRequest bad;
  ReadPayload(status, bad);
  for (auto& violation : *bad.mutable_field_violations()) {
    violation.set_field(Shortened(violation.field(), kMaxMetadataValueBytes));
    violation.set_description(Shortened(violation.description(), kMaxMetadataValueBytes));
  }
  google::rpc::Status outside = Assemble(status, info, bad, request_id);
  int omitted = 0;
  while (outside.ByteSizeLong() > kMaxStatusBytes && bad.field_violations_size() > 0) {
    // Drop in steps that shrink with the list: long lists end quickly, short ones keep what fits.
    const int drop = std::max(1, bad.field_violations_size() / 8);
    for (int i = 0; i < drop; ++i) bad.mutable_field_violations()->RemoveLast();
    omitted += drop;
    (*info.mutable_metadata())[kOmittedKey] = std::to_string(omitted);
    outside = Assemble(status, info, bad, request_id);
  }
  return outside;
}

grpc::Status ToGrpc(const absl::Status& status, std::string_view domain,
                    std::string_view request_id) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status outside = ToProto(status, domain, request_id);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), outside.message(),
                      outside.SerializeAsString());
}

absl::Status FromProto(const google::rpc::Status& status) {
  absl::Status inside(static_cast<absl::StatusCode>(status.code()), status.message());
  for (const auto& detail : status.details()) {
    inside.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return inside;
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status outside;
  if (!outside.ParseFromString(status.error_details())) outside.Clear();
  // The call's own code and message count; the copies in the details are for people.
  outside.set_code(static_cast<int>(status.error_code()));
  outside.set_message(status.error_message());
  absl::Status inside = FromProto(outside);
  if (!ReasonOf(inside).empty()) return inside;
  // gRPC itself answered, for example because nobody listens.
  google::rpc::ErrorInfo info;
  info.set_reason(absl::IsUnavailable(inside) ? "PEER_UNREACHABLE"
                                              : absl::StatusCodeToString(inside.code()));
  inside.SetPayload(kTypePrefix + google::rpc::ErrorInfo::descriptor()->full_name(),
                    absl::Cord(info.SerializeAsString()));
  return inside;
}

}  // namespace lockstep::rpc
