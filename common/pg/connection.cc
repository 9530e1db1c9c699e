#include "common/pg/connection.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "absl/time/clock.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::pg {
namespace {

// More distinct statements than this come from generated SQL (filters); they are sent unprepared.
constexpr std::size_t kMaxPreparedStatements = 256;
// How soon a wait notices that another thread has limited it or given it up.
constexpr absl::Duration kLookInterval = absl::Milliseconds(100);

std::string FieldOf(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : text;
}

absl::Status StatusFromResult(const PGresult* result) {
  Diagnostics diagnostics;
  diagnostics.sqlstate = FieldOf(result, PG_DIAG_SQLSTATE);
  diagnostics.message = FieldOf(result, PG_DIAG_MESSAGE_PRIMARY);
  diagnostics.detail = FieldOf(result, PG_DIAG_MESSAGE_DETAIL);
  diagnostics.hint = FieldOf(result, PG_DIAG_MESSAGE_HINT);
  diagnostics.context = FieldOf(result, PG_DIAG_CONTEXT);
  diagnostics.schema = FieldOf(result, PG_DIAG_SCHEMA_NAME);
  diagnostics.table = FieldOf(result, PG_DIAG_TABLE_NAME);
  diagnostics.column = FieldOf(result, PG_DIAG_COLUMN_NAME);
  diagnostics.constraint = FieldOf(result, PG_DIAG_CONSTRAINT_NAME);
  const std::string position = FieldOf(result, PG_DIAG_STATEMENT_POSITION);
  if (!position.empty()) diagnostics.position = std::stoi(position);
  if (diagnostics.sqlstate.empty()) {
    // libpq made the error itself: the connection broke.
    diagnostics.sqlstate = "08006";
    diagnostics.message = PQresultErrorMessage(result);
  }
  return StatusFromDiagnostics(diagnostics);
}

absl::Status ConnectionFailure(std::string sqlstate, std::string_view message) {
  Diagnostics diagnostics;
  diagnostics.sqlstate = std::move(sqlstate);
  diagnostics.message = std::string(message);
  return StatusFromDiagnostics(diagnostics);
}

// A refused login must not look like an outage; libpq reports both only as text.
std::string SqlStateOfConnectError(std::string_view message) {
  const auto has = [&](std::string_view part) {
    return message.find(part) != std::string_view::npos;
  };
  if (has("password") || has("authentication failed") || has("no pg_hba.conf entry") ||
      (has("role \"") && has("does not exist"))) {
    return "28000";
  }
  if (has("database \"") && has("does not exist")) return "3D000";
  if (has("too many clients") || has("remaining connection slots")) return "53300";
  if (has("starting up") || has("shutting down") || has("in recovery mode")) return "57P03";
  return "08001";
}

// Waits for `events` on the socket. False when the deadline passed first.
bool WaitFor(int socket, short events, absl::Time deadline) {
  while (true) {
    int timeout_ms = -1;
    if (deadline != absl::InfiniteFuture()) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      timeout_ms =
          static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 3'600'000));
    }
    pollfd descriptor{socket, events, 0};
    const int ready = poll(&descriptor, 1, timeout_ms);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // libpq will report what is wrong
  }
}

}  // namespace

struct Connection::StatementCache {
  std::unordered_map<std::string, std::string> names;
};

void Connection::Deleter::operator()(pg_conn* connection) const { PQfinish(connection); }

Connection::Connection() = default;
Connection::~Connection() {
  if (cut_off_socket_ >= 0) close(cut_off_socket_);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ConnectionOptions& options) {
  std::unique_ptr<Connection> connection(new Connection());
  RETURN_IF_ERROR(connection->Connect(options));
  if (options.prepare_statements) connection->prepared_ = std::make_unique<StatementCache>();
  return connection;
}

absl::Status Connection::Connect(const ConnectionOptions& options) {
  const std::array<const char*, 8> keys = {"dbname",
                                           "fallback_application_name",
                                           "application_name",
                                           "keepalives_idle",
                                           "keepalives_interval",
                                           "keepalives_count",
                                           "tcp_user_timeout",
                                           nullptr};
  const std::array<const char*, 8> values = {options.database_url.c_str(),
                                             "lockstep",
                                             options.application_name.c_str(),
                                             "10",
                                             "5",
                                             "3",
                                             "15000",
                                             nullptr};
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  connection_.reset(PQconnectStartParams(keys.data(), values.data(), 1));
  if (connection_ == nullptr) return ConnectionFailure("08001", "out of memory");
  PGconn* raw = connection_.get();
  RETURN_IF_ERROR(AwaitConnected(deadline, options.give_up));
  if (PQstatus(raw) != CONNECTION_OK) {
    const std::string message = PQerrorMessage(raw);
    return ConnectionFailure(SqlStateOfConnectError(message), message);
  }
  backend_pid_ = PQbackendPID(raw);
  cut_off_socket_ = fcntl(PQsocket(raw), F_DUPFD_CLOEXEC, 0);
  if (cut_off_socket_ < 0) return ConnectionFailure("08001", "no file descriptor left");
  cancel_ = std::make_unique<CancelRequest>(raw);
  PQsetNoticeProcessor(
      raw,
      [](void* self, const char* text) {
        const auto& handler = static_cast<Connection*>(self)->notice_handler_;
        if (handler) handler(text);
      },
      this);
  io_deadline_ = deadline;
  // Values travel as text: their form must not depend on the server's defaults. A pooler tracks
  // these two settings.
  auto setup = Script("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; " + options.session_setup);
  io_deadline_ = absl::InfiniteFuture();
  return setup.status();
}

absl::Status Connection::AwaitConnected(absl::Time deadline, const std::atomic<bool>* give_up) {
  PGconn* raw = connection_.get();
  PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
  while (PQstatus(raw) != CONNECTION_BAD && polling != PGRES_POLLING_OK) {
    const short events = polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (give_up != nullptr && *give_up) {
      return ConnectionFailure("08001", "the attempt to connect was given up");
    }
    if (!WaitFor(PQsocket(raw), events, std::min(deadline, absl::Now() + kLookInterval))) {
      if (absl::Now() < deadline) continue;
      return ConnectionFailure("08001", "no answer within the connect timeout");
    }
    polling = PQconnectPoll(raw);
    if (polling == PGRES_POLLING_FAILED) break;
  }
  return absl::OkStatus();
}

absl::Status Connection::Lost(std::string_view what) {
  is_lost_ = true;
  return ConnectionFailure("08006", what);
}

absl::Status Connection::AfterSend(int sent) {
  if (sent == 0) {
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
      return Lost(PQerrorMessage(connection_.get()));
    }
    return ConnectionFailure("XX000", PQerrorMessage(connection_.get()));
  }
  if (after_send_) after_send_();
  return absl::OkStatus();
}

bool Connection::AwaitInput() {
  while (true) {
    const absl::Time deadline = std::min(io_deadline_, absl::FromUnixMicros(wait_limit_us_));
    const absl::Time look = std::min(deadline, absl::Now() + kLookInterval);
    if (WaitFor(PQsocket(connection_.get()), POLLIN, look)) return true;
    if (absl::Now() >= deadline) return false;
  }
}

absl::StatusOr<pg_result*> Connection::NextResult() {
  PGconn* raw = connection_.get();
  while (PQisBusy(raw) != 0) {
    if (!AwaitInput()) return Lost("no answer from the server in time");
    if (PQconsumeInput(raw) == 0) break;  // PQgetResult reports why
  }
  pg_result* result = PQgetResult(raw);
  if (PQstatus(raw) == CONNECTION_BAD) {
    is_lost_ = true;
    if (result == nullptr) return Lost(PQerrorMessage(raw));
  }
  return result;
}

absl::StatusOr<Result> Connection::OnlyResult() {
  std::optional<Result> only;
  absl::Status error;
  while (true) {
    ASSIGN_OR_RETURN(pg_result * next, NextResult());
    if (next == nullptr) break;
    Result result(next);
    const ExecStatusType status = PQresultStatus(next);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
      only.emplace(std::move(result));
    } else if (error.ok()) {
      error = StatusFromResult(next);
      // The link may be gone although the server managed to say why (57P01).
      if (IsConnectionLost(error)) is_lost_ = true;
    }
    if (is_lost_) break;
  }
  RETURN_IF_ERROR(error);
  if (!only.has_value()) return Lost("the connection closed before an answer came");
  return *std::move(only);
}

absl::StatusOr<const std::string*> Connection::PreparedName(const std::string& sql) {
  auto it = prepared_->names.find(sql);
  if (it != prepared_->names.end()) return &it->second;
  const std::string name = "s" + std::to_string(prepared_->names.size() + 1);
  RETURN_IF_ERROR(
      AfterSend(PQsendPrepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr)));
  RETURN_IF_ERROR(OnlyResult().status());
  return &prepared_->names.emplace(sql, name).first->second;
}

namespace {

// The parameters in the form that libpq takes. Borrows from `params`.
absl::StatusOr<std::vector<const char*>> Bind(const std::vector<Param>& params) {
  std::vector<const char*> values;
  values.reserve(params.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    const std::optional<std::string>& text = params[i].text();
    if (text.has_value() && text->find('\0') != std::string::npos) {
      return Error(absl::StatusCode::kInvalidArgument, "TEXT_HAS_NUL",
                   "text must not contain U+0000")
          .With("parameter", static_cast<long long>(i) + 1);
    }
    values.push_back(text.has_value() ? text->c_str() : nullptr);
  }
  return values;
}

}  // namespace

absl::StatusOr<Result> Connection::QueryList(std::string_view sql,
                                             const std::vector<Param>& params) {
  if (is_lost_) return Lost("the connection was lost before");
  ASSIGN_OR_RETURN(std::vector<const char*> values, Bind(params));
  const int count = static_cast<int>(values.size());
  const std::string text(sql);
  if (prepared_ != nullptr &&
      (prepared_->names.size() < kMaxPreparedStatements || prepared_->names.contains(text))) {
    ASSIGN_OR_RETURN(const std::string* name, PreparedName(text));
    RETURN_IF_ERROR(AfterSend(PQsendQueryPrepared(connection_.get(), name->c_str(), count,
                                                  values.data(), nullptr, nullptr, 0)));
  } else {
    RETURN_IF_ERROR(AfterSend(PQsendQueryParams(connection_.get(), text.c_str(), count, nullptr,
                                                values.data(), nullptr, nullptr, 0)));
  }
  return OnlyResult();
}

absl::StatusOr<std::vector<Result>> Connection::Script(const std::string& sql) {
  if (is_lost_) return Lost("the connection was lost before");
  if (sql.find('\0') != std::string::npos) {
    return Error(absl::StatusCode::kInvalidArgument, "TEXT_HAS_NUL", "SQL must not contain U+0000");
  }
  RETURN_IF_ERROR(AfterSend(PQsendQuery(connection_.get(), sql.c_str())));
  completed_statements_ = 0;
  std::vector<Result> results;
  absl::Status error;
  while (true) {
    ASSIGN_OR_RETURN(pg_result * next, NextResult());
    if (next == nullptr) break;
    Result result(next);
    const ExecStatusType status = PQresultStatus(next);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
      results.push_back(std::move(result));
      ++completed_statements_;
    } else if (status == PGRES_COPY_IN) {
      PQputCopyEnd(connection_.get(), "COPY FROM STDIN cannot be part of a script");
    } else if (error.ok()) {
      error = StatusFromResult(next);
      if (IsConnectionLost(error)) is_lost_ = true;
    }
    if (is_lost_) break;
  }
  RETURN_IF_ERROR(error);
  if (is_lost_) return Lost("the connection closed before an answer came");
  return results;
}

absl::StatusOr<std::vector<Result>> Connection::Pipeline(const std::vector<Statement>& statements) {
  if (is_lost_) return Lost("the connection was lost before");
  PGconn* raw = connection_.get();
  std::vector<std::vector<const char*>> bound;
  bound.reserve(statements.size());
  for (const Statement& statement : statements) {
    ASSIGN_OR_RETURN(bound.emplace_back(), Bind(statement.params));
  }
  if (PQenterPipelineMode(raw) == 0) return ConnectionFailure("XX000", PQerrorMessage(raw));
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const int sent =
        PQsendQueryParams(raw, statements[i].sql.c_str(), static_cast<int>(bound[i].size()),
                          nullptr, bound[i].data(), nullptr, nullptr, 0);
    if (sent == 0) return Lost(PQerrorMessage(raw));
  }
  RETURN_IF_ERROR(AfterSend(PQpipelineSync(raw)));
  std::vector<Result> results;
  absl::Status error;
  while (true) {
    ASSIGN_OR_RETURN(pg_result * next, NextResult());
    if (is_lost_) break;
    if (next == nullptr) continue;  // ends one statement's results
    Result result(next);
    const ExecStatusType status = PQresultStatus(next);
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      results.push_back(std::move(result));
    } else if (error.ok() && status != PGRES_PIPELINE_ABORTED) {
      error = StatusFromResult(next);
      if (IsConnectionLost(error)) {
        is_lost_ = true;
        break;
      }
    }
  }
  if (is_lost_) return error.ok() ? Lost("the connection closed before an answer came") : error;
  if (PQexitPipelineMode(raw) == 0) return Lost(PQerrorMessage(raw));
  RETURN_IF_ERROR(error);
  return results;
}

absl::StatusOr<std::int64_t> Connection::CopyIn(std::string_view copy_sql, std::string_view lines) {
  if (is_lost_) return Lost("the connection was lost before");
  PGconn* raw = connection_.get();
  RETURN_IF_ERROR(AfterSend(PQsendQuery(raw, std::string(copy_sql).c_str())));
  ASSIGN_OR_RETURN(pg_result * started, NextResult());
  if (started == nullptr) return Lost("the connection closed before an answer came");
  const Result start(started);
  if (PQresultStatus(started) != PGRES_COPY_IN) {
    const absl::Status error = StatusFromResult(started);
    while (!is_lost_) {  // takes the end of the answer off the line
      ASSIGN_OR_RETURN(pg_result * next, NextResult());
      if (next == nullptr) break;
      const Result ignored(next);
    }
    return error;
  }
  // libpq takes an int; pieces also keep its buffer small.
  constexpr std::size_t kPiece = 1 << 20;
  for (std::size_t at = 0; at < lines.size(); at += kPiece) {
    const std::string_view piece = lines.substr(at, kPiece);
    if (PQputCopyData(raw, piece.data(), static_cast<int>(piece.size())) != 1) {
      return Lost(PQerrorMessage(raw));
    }
  }
  if (PQputCopyEnd(raw, nullptr) != 1) return Lost(PQerrorMessage(raw));
  ASSIGN_OR_RETURN(Result result, OnlyResult());
  return result.affected();
}

absl::Status Connection::Commit() {
  if (is_lost_) return Lost("the connection was lost before");
  RETURN_IF_ERROR(AfterSend(PQsendQuery(connection_.get(), "COMMIT")));
  std::string tag;
  absl::Status error;
  while (true) {
    ASSIGN_OR_RETURN(pg_result * next, NextResult());
    if (next == nullptr) break;
    const Result result(next);
    if (PQresultStatus(next) == PGRES_COMMAND_OK) {
      tag = PQcmdStatus(next);
    } else if (error.ok()) {
      error = StatusFromResult(next);
      if (IsConnectionLost(error)) is_lost_ = true;
    }
    if (is_lost_) break;
  }
  RETURN_IF_ERROR(error);
  if (tag == "COMMIT") return absl::OkStatus();
  if (tag.empty()) return Lost("the connection closed before COMMIT was answered");
  return Error(absl::StatusCode::kAborted, "TRANSACTION_FAILED",
               "an earlier statement of the transaction failed, so nothing was changed");
}

void Connection::Cancel(absl::Duration wait) {
  if (cancel_ != nullptr) cancel_->Send(wait);
}

void Connection::CutOff() { shutdown(cut_off_socket_, SHUT_RDWR); }

bool Connection::is_in_failed_transaction() const {
  return PQtransactionStatus(connection_.get()) == PQTRANS_INERROR;
}

bool Connection::is_in_transaction() const {
  const PGTransactionStatusType status = PQtransactionStatus(connection_.get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
}

int Connection::server_version() const { return PQserverVersion(connection_.get()); }

int Connection::socket() const { return PQsocket(connection_.get()); }

void Connection::SetNoticeHandler(std::function<void(std::string_view)> handler) {
  notice_handler_ = std::move(handler);
}

void AppendCopyField(std::string& line, const std::optional<std::string>& value) {
  if (!value.has_value()) {
    line += "\\N";
    return;
  }
  // In runs, not characters: imports escape hundreds of bytes for each row.
  const std::string_view text = *value;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find_first_of("\\\n\r\t", begin), text.size());
    line.append(text.substr(begin, end - begin));
    if (end == text.size()) return;
    line += '\\';
    const char c = text[end];
    line += c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : '\\';
    begin = end + 1;
  }
}

std::string QuoteIdentifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string QuoteLiteral(std::string_view text) {
  const bool has_backslash = text.find('\\') != std::string_view::npos;
  std::string quoted = has_backslash ? " E'" : "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted + '\'';
}

}  // namespace lockstep::pg
