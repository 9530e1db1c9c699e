// Matchers for absl::Status and absl::StatusOr: IsOk, IsOkAndHolds, StatusIs, Reason, HasField.
// Tests only.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status/error.h"
#include "gmock/gmock.h"

namespace lockstep::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(IsOkAndHolds, inner, "is OK and holds a value that matches") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(inner, *arg, result_listener);
}

// Matches the code alone, or the code and a matcher on the status (Reason("..."), HasField("...")).
MATCHER_P(StatusIs, code, "has status code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}
MATCHER_P2(StatusIs, code, inner, "has status code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString() << " ";
  return StatusOf(arg).code() == code &&
         ::testing::ExplainMatchResult(inner, StatusOf(arg), result_listener);
}

MATCHER_P(Reason, reason, std::string("has reason ") + reason) {
  *result_listener << "reason " << ReasonOf(arg);
  return ReasonOf(arg) == reason;
}

MATCHER_P(HasField, path, std::string("names the field ") + path) {
  for (const FieldViolation& violation : FieldsOf(arg)) {
    if (violation.field == path) return true;
    *result_listener << violation.field << " ";
  }
  return false;
}

}  // namespace lockstep::testing

#define ASSERT_OK(expr) ASSERT_THAT((expr), ::lockstep::testing::IsOk())
#define EXPECT_OK(expr) EXPECT_THAT((expr), ::lockstep::testing::IsOk())

// Like ASSIGN_OR_RETURN, for tests: fails the test and returns when `expr` is not OK.
#define ASSERT_OK_AND_ASSIGN(lhs, ...)                                                   \
  ASSERT_OK_AND_ASSIGN_IMPL_(LOCKSTEP_TEST_CONCAT_(lockstep_test_value_, __LINE__), lhs, \
                             __VA_ARGS__)
#define LOCKSTEP_TEST_CONCAT_INNER_(a, b) a##b
#define LOCKSTEP_TEST_CONCAT_(a, b) LOCKSTEP_TEST_CONCAT_INNER_(a, b)
#define ASSERT_OK_AND_ASSIGN_IMPL_(temp, lhs, ...) \
  auto temp = (__VA_ARGS__);                       \
  ASSERT_OK(temp);                                 \
  lhs = std::move(temp).value()
