#include "common/status/error.h"

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"

namespace lockstep {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

template <typename Message>
std::optional<Message> PayloadOf(const absl::Status& status, const char* url) {
  auto payload = status.GetPayload(url);
  if (!payload.has_value()) return std::nullopt;
  Message message;
  if (!message.ParseFromString(std::string(*payload))) return std::nullopt;
  return message;
}

template <typename Message>
void SetPayload(absl::Status& status, const char* url, const Message& message) {
  status.SetPayload(url, absl::Cord(message.SerializeAsString()));
}

// Its ErrorInfo, or one with its code as reason.
google::rpc::ErrorInfo InfoOf(const absl::Status& status) {
  auto info = PayloadOf<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
  if (info.has_value()) return *std::move(info);
  google::rpc::ErrorInfo made;
  made.set_reason(std::string(absl::StatusCodeToString(status.code())));
  return made;
}

}  // namespace

ErrorBuilder::ErrorBuilder(absl::StatusCode code, std::string_view reason, std::string_view message)
    : code_(code), reason_(reason), message_(message) {}

ErrorBuilder& ErrorBuilder::With(std::string_view key, std::string_view value) {
  metadata_.emplace_back(key, value);
  return *this;
}

ErrorBuilder& ErrorBuilder::With(std::string_view key, long long value) {
  metadata_.emplace_back(key, std::to_string(value));
  return *this;
}

ErrorBuilder& ErrorBuilder::Field(std::string_view path, std::string_view description) {
  fields_.push_back({std::string(path), std::string(description)});
  return *this;
}

ErrorBuilder& ErrorBuilder::RetryAfter(std::chrono::milliseconds delay) {
  retry_after_ = delay;
  return *this;
}

absl::Status ErrorBuilder::ToStatus() const {
  absl::Status status(code_, message_);
  google::rpc::ErrorInfo info;
  info.set_reason(reason_);
  for (const auto& [key, value] : metadata_) (*info.mutable_metadata())[key] = value;
  SetPayload(status, kErrorInfoUrl, info);
  if (!fields_.empty()) {
    google::rpc::BadRequest bad;
    for (const FieldViolation& violation : fields_) {
      auto* entry = bad.add_field_violations();
      entry->set_field(violation.field);
      entry->set_description(violation.description);
    }
    SetPayload(status, kBadRequestUrl, bad);
  }
  if (retry_after_.has_value()) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_after_->count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(retry_after_->count() % 1000) *
                                           1'000'000);
    SetPayload(status, kRetryInfoUrl, retry);
  }
  return status;
}

ErrorBuilder Error(absl::StatusCode code, std::string_view reason, std::string_view message) {
  return ErrorBuilder(code, reason, message);
}

ErrorBuilder InvalidField(std::string_view path, std::string_view reason,
                          std::string_view description) {
  std::string message(path);
  message.append(": ").append(description);
  return ErrorBuilder(absl::StatusCode::kInvalidArgument, reason, message).Field(path, description);
}

std::string ReasonOf(const absl::Status& status) {
  auto info = PayloadOf<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
  return info.has_value() ? info->reason() : "";
}

std::string MetadataOf(const absl::Status& status, std::string_view key) {
  auto info = PayloadOf<google::rpc::ErrorInfo>(status, kErrorInfoUrl);
  if (!info.has_value()) return "";
  auto it = info->metadata().find(std::string(key));
  return it == info->metadata().end() ? "" : it->second;
}

std::vector<FieldViolation> FieldsOf(const absl::Status& status) {
  std::vector<FieldViolation> fields;
  if (auto bad = PayloadOf<google::rpc::BadRequest>(status, kBadRequestUrl); bad.has_value()) {
    for (const auto& entry : bad->field_violations()) {
      fields.push_back({entry.field(), entry.description()});
    }
  }
  return fields;
}

absl::Status PrefixFields(const absl::Status& status, std::string_view prefix) {
  auto bad = PayloadOf<google::rpc::BadRequest>(status, kBadRequestUrl);
  if (!bad.has_value()) return status;
  absl::Status prefixed = status;
  for (auto& entry : *bad->mutable_field_violations()) {
    entry.set_field(std::string(prefix) + "." + entry.field());
  }
  SetPayload(prefixed, kBadRequestUrl, *bad);
  return prefixed;
}

absl::Status WithMetadata(const absl::Status& status, std::string_view key,
                          std::string_view value) {
  if (status.ok()) return status;
  google::rpc::ErrorInfo info = InfoOf(status);
  (*info.mutable_metadata())[std::string(key)] = std::string(value);
  absl::Status result = status;
  SetPayload(result, kErrorInfoUrl, info);
  return result;
}

absl::Status WithDomain(const absl::Status& status, std::string_view domain) {
  if (status.ok()) return status;
  google::rpc::ErrorInfo info = InfoOf(status);
  if (info.domain().empty()) info.set_domain(std::string(domain));
  absl::Status result = status;
  SetPayload(result, kErrorInfoUrl, info);
  return result;
}

}  // namespace lockstep
