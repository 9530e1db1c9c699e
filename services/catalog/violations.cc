#include "services/catalog/violations.h"

#include <utility>

namespace lockstep::catalog {
namespace {

// Trailers are limited: more than this helps nobody.
constexpr std::size_t kMaxListed = 25;

}  // namespace

void Violations::Add(std::string_view path, std::string_view reason, std::string_view description) {
  if (fields_.empty()) reason_ = reason;
  fields_.push_back({std::string(path), std::string(description)});
}

void Violations::Add(const absl::Status& status, std::string_view path) {
  if (status.ok()) return;
  const std::vector<FieldViolation> fields = FieldsOf(status);
  if (fields.empty()) {
    Add(path, ReasonOf(status), MessageOf(status));
    return;
  }
  if (fields_.empty()) reason_ = ReasonOf(status);
  fields_.insert(fields_.end(), fields.begin(), fields.end());
}

absl::Status Violations::ToStatus() const {
  if (fields_.empty()) return absl::OkStatus();
  std::string message = fields_.front().field + ": " + fields_.front().description;
  if (fields_.size() > 1) {
    message += " (and " + std::to_string(fields_.size() - 1) + " more bad fields)";
  }
  ErrorBuilder error = Error(absl::StatusCode::kInvalidArgument, reason_, message);
  for (std::size_t i = 0; i < fields_.size() && i < kMaxListed; ++i) {
    error = std::move(error).Field(fields_[i].field, fields_[i].description);
  }
  return error;
}

}  // namespace lockstep::catalog
