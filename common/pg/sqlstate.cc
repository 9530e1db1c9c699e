#include "common/pg/sqlstate.h"

#include <array>
#include <chrono>

#include "absl/strings/cord.h"
#include "common/json/json.h"
#include "common/status/error.h"

namespace lockstep::pg {
namespace {

// Not a google.rpc type: the RPC edge forwards only those, so diagnostics stay inside the process.
constexpr char kDiagnosticsUrl[] = "lockstep/pg.Diagnostics";

struct Mapping {
  std::string_view prefix;  // whole SQLSTATE, or its class
  absl::StatusCode code;
  std::string_view reason;
  std::string_view message;
};

// The first match wins, so whole codes stand before their classes.
constexpr std::array kMappings = {
    Mapping{"40001", absl::StatusCode::kAborted, "SERIALIZATION_CONFLICT",
            "another transaction changed the same data; read again and redo the change"},
    Mapping{"40P01", absl::StatusCode::kAborted, "SERIALIZATION_CONFLICT",
            "a deadlock with another transaction was resolved by ending this one; redo the change"},
    Mapping{"55P03", absl::StatusCode::kUnavailable, "LOCK_TIMEOUT",
            "a lock was not granted in time; try again later"},
    Mapping{"57014", absl::StatusCode::kDeadlineExceeded, "STATEMENT_CANCELLED",
            "the database statement was cancelled or ran out of time"},
    Mapping{"23505", absl::StatusCode::kAlreadyExists, "UNIQUE_VIOLATION",
            "a row with the same key exists"},
    Mapping{"23503", absl::StatusCode::kFailedPrecondition, "FOREIGN_KEY_VIOLATION",
            "a row that this one refers to is missing, or rows refer to the one that should go"},
    Mapping{"23514", absl::StatusCode::kInvalidArgument, "CHECK_VIOLATION",
            "a value is outside of what the database allows"},
    Mapping{"23502", absl::StatusCode::kInvalidArgument, "NOT_NULL_VIOLATION",
            "a required value is missing"},
    Mapping{"23", absl::StatusCode::kFailedPrecondition, "CONSTRAINT_VIOLATION",
            "the change would break a rule of the database"},
    Mapping{"22", absl::StatusCode::kInvalidArgument, "VALUE_NOT_STORABLE",
            "a value cannot be stored as given"},
    Mapping{"25006", absl::StatusCode::kFailedPrecondition, "READ_ONLY_TRANSACTION",
            "the database accepts no writes here (a replica, or a read-only transaction)"},
    Mapping{"42501", absl::StatusCode::kPermissionDenied, "DATABASE_PERMISSION_DENIED",
            "the database role may not do this"},
    Mapping{"42P01", absl::StatusCode::kFailedPrecondition, "SCHEMA_NOT_READY",
            "a table is missing: the required revision is not applied"},
    Mapping{"42703", absl::StatusCode::kFailedPrecondition, "SCHEMA_NOT_READY",
            "a column is missing: the required revision is not applied"},
    Mapping{"3F000", absl::StatusCode::kFailedPrecondition, "SCHEMA_NOT_READY",
            "a schema is missing: the database is not bootstrapped"},
    Mapping{"53300", absl::StatusCode::kUnavailable, "TOO_MANY_CONNECTIONS",
            "the database has no connection left; try again later"},
    Mapping{"53", absl::StatusCode::kResourceExhausted, "DATABASE_RESOURCES_EXHAUSTED",
            "the database is out of disk, memory or connections"},
    Mapping{"54", absl::StatusCode::kResourceExhausted, "DATABASE_LIMIT_EXCEEDED",
            "the statement exceeds a limit of the database"},
    Mapping{"57", absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE",
            "the database is shutting down or starting; try again later"},
    Mapping{"08", absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE",
            "the connection to the database broke or could not be made; try again later"},
    Mapping{"28", absl::StatusCode::kUnavailable, "DATABASE_LOGIN_REFUSED",
            "the database refused the login; check the connection settings"},
    Mapping{"3D000", absl::StatusCode::kUnavailable, "DATABASE_MISSING",
            "the database does not exist; check the connection settings"},
};

}  // namespace

absl::Status StatusFromDiagnostics(const Diagnostics& diagnostics) {
  Mapping match{"", absl::StatusCode::kInternal, "DATABASE_ERROR",
                "the database reported an unexpected error"};
  for (const Mapping& mapping : kMappings) {
    if (std::string_view(diagnostics.sqlstate).starts_with(mapping.prefix)) {
      match = mapping;
      break;
    }
  }
  ErrorBuilder error = Error(match.code, match.reason, match.message)
                           .With("sqlstate", std::string_view(diagnostics.sqlstate));
  if (!diagnostics.constraint.empty()) {
    error.With("constraint", std::string_view(diagnostics.constraint));
  }
  if (match.code == absl::StatusCode::kUnavailable) {
    error.RetryAfter(std::chrono::seconds(1));
  }
  absl::Status status = error.ToStatus();
  const nlohmann::json json = {
      {"sqlstate", diagnostics.sqlstate},     {"message", diagnostics.message},
      {"detail", diagnostics.detail},         {"hint", diagnostics.hint},
      {"context", diagnostics.context},       {"schema", diagnostics.schema},
      {"table", diagnostics.table},           {"column", diagnostics.column},
      {"constraint", diagnostics.constraint}, {"position", diagnostics.position}};
  status.SetPayload(kDiagnosticsUrl, absl::Cord(JsonText(json)));
  return status;
}

std::optional<Diagnostics> DiagnosticsOf(const absl::Status& status) {
  auto payload = status.GetPayload(kDiagnosticsUrl);
  if (!payload.has_value()) return std::nullopt;
  const auto json = nlohmann::json::parse(std::string(*payload), nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  Diagnostics diagnostics;
  diagnostics.sqlstate = json.value("sqlstate", "");
  diagnostics.message = json.value("message", "");
  diagnostics.detail = json.value("detail", "");
  diagnostics.hint = json.value("hint", "");
  diagnostics.context = json.value("context", "");
  diagnostics.schema = json.value("schema", "");
  diagnostics.table = json.value("table", "");
  diagnostics.column = json.value("column", "");
  diagnostics.constraint = json.value("constraint", "");
  diagnostics.position = json.value("position", 0);
  return diagnostics;
}

std::string SqlStateOf(const absl::Status& status) { return MetadataOf(status, "sqlstate"); }

bool IsSerializationFailure(const absl::Status& status) {
  const std::string state = SqlStateOf(status);
  return state == "40001" || state == "40P01";
}

bool IsConnectionLost(const absl::Status& status) {
  const std::string state = SqlStateOf(status);
  return state.starts_with("08") || state == "57P01" || state == "57P02" || state == "57P03";
}

}  // namespace lockstep::pg
