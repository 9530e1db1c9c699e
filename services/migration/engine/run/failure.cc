#include "services/migration/engine/run/failure.h"

#include <algorithm>
#include <array>

#include "common/pg/sqlstate.h"

namespace lockstep::migration {
namespace {

struct ReasonClass {
  std::string_view reason;
  ExitClass exit_class;
};

constexpr std::array kReasons = {
    ReasonClass{"HISTORY_EDITED", ExitClass::kHistory},
    ReasonClass{"HISTORY_MISMATCH", ExitClass::kHistory},
    ReasonClass{"IMPORT_DIFFERS", ExitClass::kHistory},
    ReasonClass{"HISTORY_UNKNOWN_REVISION", ExitClass::kHistory},
    ReasonClass{"ARCHIVED_SCRIPT_DAMAGED", ExitClass::kHistory},
    ReasonClass{"LEDGER_TOO_NEW", ExitClass::kHistory},
    ReasonClass{"STEP_BLOCKED", ExitClass::kBlocked},
    ReasonClass{"VERIFICATION_BLOCKED", ExitClass::kBlocked},
    ReasonClass{"LEASE_HELD", ExitClass::kBlocked},
    ReasonClass{"RUN_IN_PROGRESS", ExitClass::kBlocked},
    ReasonClass{"FROZEN", ExitClass::kBlocked},
    ReasonClass{"GATE_CLOSED", ExitClass::kBlocked},
    ReasonClass{"LINT_REFUSED", ExitClass::kBlocked},
    ReasonClass{"LOCKS_WORSE_THAN_CERTIFIED", ExitClass::kBlocked},
    ReasonClass{"INCOMPATIBLE_BUILD", ExitClass::kBlocked},
    ReasonClass{"PLAN_CHANGED", ExitClass::kBlocked},
    ReasonClass{"LOCK_TIMEOUT", ExitClass::kBlocked},
    ReasonClass{"REPEATABLE_IN_USE", ExitClass::kBlocked},
    ReasonClass{"GUARD_REFUSED", ExitClass::kBlocked},
    ReasonClass{"LEGACY_HALF_APPLIED", ExitClass::kBlocked},
    ReasonClass{"IRREVERSIBLE", ExitClass::kBlocked},
    ReasonClass{"REQUIRED_BY_INSTANCE", ExitClass::kBlocked},
    ReasonClass{"ARCHIVE_FORBIDDEN", ExitClass::kBlocked},
    ReasonClass{"ARCHIVE_IMPOSSIBLE", ExitClass::kBlocked},
    ReasonClass{"CROSS_OWNER_DROP", ExitClass::kBlocked},
    ReasonClass{"DROP_BLOCKED", ExitClass::kBlocked},
    ReasonClass{"DATABASE_NOT_EMPTY", ExitClass::kBlocked},
    ReasonClass{"FOREIGN_DEPENDENTS", ExitClass::kBlocked},
    ReasonClass{"PRIVILEGED_STEP_PENDING", ExitClass::kInProgress},
    ReasonClass{"INDEX_OUTDATED", ExitClass::kDrift},
    ReasonClass{"COMMIT_OUTCOME_UNKNOWN", ExitClass::kUnknown},
    ReasonClass{"DEFINITIONS_INVALID", ExitClass::kFailed},
    ReasonClass{"STEP_FAILED", ExitClass::kFailed},
    ReasonClass{"EXPECTATION_FAILED", ExitClass::kFailed},
    ReasonClass{"LEASE_LOST", ExitClass::kFailed},
    // The ledger keeps the reason of a run's end, not its code: whoever asks for the run has to
    // come to the same class as whoever ran it.
    ReasonClass{"CONNECTION_LOST", ExitClass::kUnreachable},
    ReasonClass{"DATABASE_UNREACHABLE", ExitClass::kUnreachable},
    ReasonClass{"DATABASE_LOGIN_REFUSED", ExitClass::kUnreachable},
    ReasonClass{"DATABASE_MISSING", ExitClass::kUnreachable},
    ReasonClass{"TOO_MANY_CONNECTIONS", ExitClass::kUnreachable},
    ReasonClass{"DATABASE_PERMISSION_DENIED", ExitClass::kNotPermitted},
    ReasonClass{"STATEMENT_CANCELLED", ExitClass::kInProgress},
    ReasonClass{"CHECK_VIOLATION", ExitClass::kFailed},
    ReasonClass{"NOT_NULL_VIOLATION", ExitClass::kFailed},
    ReasonClass{"VALUE_NOT_STORABLE", ExitClass::kFailed},
    ReasonClass{"TARGET_INVALID", ExitClass::kUsage},
    ReasonClass{"TARGET_UNKNOWN", ExitClass::kUsage},
    ReasonClass{"TARGET_AMBIGUOUS", ExitClass::kUsage},
    ReasonClass{"TARGET_OUT_OF_RANGE", ExitClass::kUsage},
};

}  // namespace

ExitClass ExitClassOf(const absl::Status& status) {
  if (status.ok()) return ExitClass::kDone;
  const std::string reason = ReasonOf(status);
  const auto* known = std::find_if(kReasons.begin(), kReasons.end(), [&](const ReasonClass& entry) {
    return entry.reason == reason;
  });
  if (known != kReasons.end()) return known->exit_class;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
      return ExitClass::kUsage;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitClass::kInProgress;
    case absl::StatusCode::kUnknown:
      return ExitClass::kUnknown;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitClass::kNotPermitted;
    case absl::StatusCode::kUnavailable:
      return ExitClass::kUnreachable;
    default:
      return ExitClass::kFailed;
  }
}

std::string DescribeDatabaseError(const absl::Status& status) {
  const auto diagnostics = pg::DiagnosticsOf(status);
  if (!diagnostics.has_value()) return MessageOf(status);
  std::string text = diagnostics->sqlstate + " " + diagnostics->message;
  if (!diagnostics->detail.empty()) text += " (" + diagnostics->detail + ")";
  if (!diagnostics->hint.empty()) text += " (hint: " + diagnostics->hint + ")";
  return text;
}

absl::Status ScriptError(std::string_view reason, std::string_view what,
                         const absl::Status& cause) {
  // Anything that is not about the network or a lock is a fact about the script and the data it
  // met.
  const absl::StatusCode code = cause.code() == absl::StatusCode::kUnavailable ||
                                        cause.code() == absl::StatusCode::kCancelled ||
                                        cause.code() == absl::StatusCode::kUnknown
                                    ? cause.code()
                                    : absl::StatusCode::kFailedPrecondition;
  const std::string description = DescribeDatabaseError(cause);
  return Error(code, reason, std::string(what) + ": " + description)
      .With("sqlstate", std::string_view(pg::SqlStateOf(cause)))
      .With("database_error", std::string_view(description));
}

}  // namespace lockstep::migration
