// Structured logs: one JSON object a line on stderr, one event each, facts in fields.
//
//   log::Info("order_transitioned", {{"order", id}, {"to", to}, {"lines", 3}});
//   {"time":"2024-01-31T06:15:00.123456Z","level":"info","service":"orders","event":"order_transitioned","order":"7f3c..."}
//
// INFO tells the story of a request in one line; WARN is something to look at tomorrow; ERROR wakes
// somebody. No payloads, tokens or e-mail addresses. Thread-safe. Names of fields must not be time,
// level, service or event.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace lockstep::log {

enum class Level { kDebug, kInfo, kWarn, kError, kOff };

// "debug", "info", "warn", "error", "off". INVALID_ARGUMENT (LOG_LEVEL_UNKNOWN).
[[nodiscard]] absl::StatusOr<Level> ParseLevel(std::string_view text);

// Names the process (field "service") and sets the lowest level that is written. Without it: "" and
// INFO.
void Init(std::string_view service, Level level);
[[nodiscard]] bool IsEnabled(Level level);

// Text, an integer or a truth value. Implicit on purpose, so that calls read {{"order", id},
// {"count", 3}}.
class Value {
 public:
  Value(std::string_view text)
      : value_(std::string(text)) {}                       // NOLINT(google-explicit-constructor)
  Value(const std::string& text) : value_(text) {}         // NOLINT(google-explicit-constructor)
  Value(std::string&& text) : value_(std::move(text)) {}   // NOLINT(google-explicit-constructor)
  Value(const char* text) : value_(std::string(text)) {}   // NOLINT(google-explicit-constructor)
  Value(std::same_as<bool> auto value) : value_(value) {}  // NOLINT(google-explicit-constructor)
  template <std::signed_integral Int>
  requires(!std::same_as<Int, bool>) Value(Int value)
      : value_(static_cast<std::int64_t>(value)) {}  // NOLINT(google-explicit-constructor)
  template <std::unsigned_integral Int>
  requires(!std::same_as<Int, bool>) Value(Int value)
      : value_(static_cast<std::uint64_t>(value)) {}  // NOLINT(google-explicit-constructor)
  // Ids and other values that print themselves.
  template <typename T>
  requires requires(const T& value) {
    { value.text() } -> std::convertible_to<std::string>;
  }
  Value(const T& value)
      : value_(std::string(value.text())) {}  // NOLINT(google-explicit-constructor)
  // Shown as "CODE: message".
  Value(const absl::Status& status)
      : value_(status.ToString()) {}  // NOLINT(google-explicit-constructor)

  // Adds the value as JSON to `out`.
  void AppendJson(std::string& out) const;

 private:
  std::variant<std::string, std::int64_t, std::uint64_t, bool> value_;
};

struct Field {
  std::string_view name;
  Value value;
};

using Fields = std::initializer_list<Field>;

void Debug(std::string_view event, Fields fields = {});
void Info(std::string_view event, Fields fields = {});
void Warn(std::string_view event, Fields fields = {});
void Error(std::string_view event, Fields fields = {});
// For fields that are collected at run time.
void Write(Level level, std::string_view event, std::span<const Field> fields);

}  // namespace lockstep::log
