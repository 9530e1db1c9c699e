// Failures as values: an absl::Status that carries a stable reason, facts, and the bad fields of
// the request.
//
// Inside the process errors are absl::Status. `Error()` builds one whose payloads are
// google.rpc.ErrorInfo and, for bad input, google.rpc.BadRequest, so that the edge (common/rpc) can
// send them without knowing who made them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace lockstep {

struct FieldViolation {
  std::string field;        // path in the request, for example "order.gross_sale.nanos"
  std::string description;  // what was wrong and what would be right
};

// Collects the parts of one error; converts to absl::Status and absl::StatusOr<T>.
class ErrorBuilder {
 public:
  ErrorBuilder(absl::StatusCode code, std::string_view reason, std::string_view message);

  // Adds one metadata entry of ErrorInfo. Values must not hold secrets or personal data.
  ErrorBuilder& With(std::string_view key, std::string_view value);
  ErrorBuilder& With(std::string_view key, long long value);
  // Adds one bad field. Call once per field: a caller wants to see all of them.
  ErrorBuilder& Field(std::string_view path, std::string_view description);
  // Tells the caller how long to wait before the same call is worth repeating
  // (google.rpc.RetryInfo).
  ErrorBuilder& RetryAfter(std::chrono::milliseconds delay);

  absl::Status ToStatus() const;

  // NOLINTNEXTLINE(google-explicit-constructor): lets `return Error(...)` work in functions that
  // return either.
  operator absl::Status() const { return ToStatus(); }
  template <typename T>
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator absl::StatusOr<T>() const {
    return ToStatus();
  }

 private:
  absl::StatusCode code_;
  std::string reason_;
  std::string message_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<FieldViolation> fields_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

// Starts an error. `reason` is UPPER_SNAKE_CASE, at most 63 characters, a fact about the world
// (ORDER_STATUS_FINAL). `message` says what was wrong and what would be right; values go into
// With().
[[nodiscard]] ErrorBuilder Error(absl::StatusCode code, std::string_view reason,
                                 std::string_view message);

// INVALID_ARGUMENT about exactly one field.
[[nodiscard]] ErrorBuilder InvalidField(std::string_view path, std::string_view reason,
                                        std::string_view description);

// The reason of a status made by Error(), or "" for any other.
[[nodiscard]] std::string ReasonOf(const absl::Status& status);
// One metadata value, or "" when absent.
[[nodiscard]] std::string MetadataOf(const absl::Status& status, std::string_view key);
// The bad fields of a status made by Error() or InvalidField().
[[nodiscard]] std::vector<FieldViolation> FieldsOf(const absl::Status& status);

// The same status with `prefix` + "." in front of each bad field's path: for validators of nested
// messages.
[[nodiscard]] absl::Status PrefixFields(const absl::Status& status, std::string_view prefix);

// The same status with one more metadata entry of ErrorInfo, for those who know more than whoever
// made it; everything else stays. A status that has no ErrorInfo gets one, with its code as reason.
[[nodiscard]] absl::Status WithMetadata(const absl::Status& status, std::string_view key,
                                        std::string_view value);

// The same status with ErrorInfo.domain set where it is empty; ErrorInfo is added when there is
// none, so that every error that leaves a process names its service. `domain` is
// "<service>.lockstep".
[[nodiscard]] absl::Status WithDomain(const absl::Status& status, std::string_view domain);

// Message as a standard string (absl's own view type is not the standard one on our platform).
[[nodiscard]] inline std::string MessageOf(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace lockstep
