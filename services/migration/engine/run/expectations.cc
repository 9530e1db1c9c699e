#include "services/migration/engine/run/expectations.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "services/migration/engine/run/verifier.h"

namespace lockstep::migration {
namespace {

VerificationResult CheckOf(const StepTask& task) {
  VerificationResult check;
  check.revision = task.revision.id;
  check.ran_at = absl::Now();
  return check;
}

}  // namespace

absl::StatusOr<std::vector<VerificationResult>> ReadExpectations(
    const StepTask& task, std::span<const pg::Result> results) {
  std::vector<VerificationResult> checks;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const pg::Result& result = results[i];
    if (result.columns().size() != 3) {
      return Error(absl::StatusCode::kFailedPrecondition, "EXPECTATION_FAILED",
                   task.step.expect.file + ": a query returns not (check_id, expected, actual)");
    }
    if (result.empty()) {
      VerificationResult check = CheckOf(task);
      check.check_id = CheckId(task.step.expect, i);
      check.expected = "a row";
      check.actual = "no row";
      checks.push_back(std::move(check));
    }
    for (int row = 0; row < result.size(); ++row) {
      VerificationResult check = CheckOf(task);
      check.check_id = result.Cell(row, 0).value_or("");
      check.expected = result.Cell(row, 1).value_or("NULL");
      check.actual = result.Cell(row, 2).value_or("NULL");
      check.passed = result.Cell(row, 1) == result.Cell(row, 2);
      checks.push_back(std::move(check));
    }
  }
  return checks;
}

void TellExpectations(RunSession& session, const StepTask& task,
                      const std::vector<VerificationResult>& checks) {
  for (const VerificationResult& check : checks) {
    Happening happened =
        task.Event("expectation", check.check_id + (check.passed ? " holds: " : " FAILS: ") +
                                      "expected " + check.expected + ", found " + check.actual);
    happened.details["check_id"] = check.check_id;
    happened.details["expected"] = check.expected;
    happened.details["actual"] = check.actual;
    happened.details["passed"] = check.passed;
    session.journal.Emit(std::move(happened));
  }
}

absl::Status ExpectationStatus(const StepTask& task,
                               const std::vector<VerificationResult>& checks) {
  std::string failures;
  for (const VerificationResult& check : checks) {
    if (check.passed) continue;
    failures +=
        " " + check.check_id + ": expected " + check.expected + ", found " + check.actual + ";";
  }
  if (failures.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "EXPECTATION_FAILED",
               task.text() + " was rolled back:" + failures);
}

}  // namespace lockstep::migration
