// The one place that knows what an SQLSTATE means to a caller.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

struct pg_conn;
struct pg_result;

namespace lockstep::pg {

// What PostgreSQL said about one error. Never leaves the process (it may quote SQL and data); logs
// and the migration engine, whose users own the SQL, read it.
struct Diagnostics {
  std::string
      sqlstate;  // five characters; "08006" when the connection broke and the server said nothing
  std::string message;
  std::string detail;
  std::string hint;
  std::string context;
  std::string schema, table, column, constraint;
  int position = 0;  // 1-based character in the statement, 0 = unknown
};

// The diagnostics behind a status made by this library.
[[nodiscard]] std::optional<Diagnostics> DiagnosticsOf(const absl::Status& status);
// The SQLSTATE behind a status, or "".
[[nodiscard]] std::string SqlStateOf(const absl::Status& status);

// Maps by class: 23505 ALREADY_EXISTS (UNIQUE_VIOLATION), 23503/23514/23502/22xxx and so on; see
// sqlstate.cc. The message is safe to send to a client; metadata has sqlstate and, where known,
// constraint.
[[nodiscard]] absl::Status StatusFromDiagnostics(const Diagnostics& diagnostics);

// True for errors after which the same transaction may simply be run again: 40001, 40P01.
[[nodiscard]] bool IsSerializationFailure(const absl::Status& status);
// True when the session is gone or unusable: 08xxx, 57P01, 57P02, 57P03, a broken socket.
[[nodiscard]] bool IsConnectionLost(const absl::Status& status);

}  // namespace lockstep::pg
