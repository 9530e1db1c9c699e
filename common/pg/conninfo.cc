#include "common/pg/conninfo.h"

#include <libpq-fe.h>

#include <memory>

#include "common/status/error.h"

namespace lockstep::pg {
namespace {

// 'it''s' in the rules of connection strings: quotes and backslashes are escaped by backslashes.
std::string Quoted(std::string_view value) {
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

}  // namespace

absl::StatusOr<ProgramConnection> ForProgram(std::string_view database_url) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(std::string(database_url).c_str(), &message), &PQconninfoFree);
  PQfreemem(message);
  // The parser's message may quote the string, and with it the password.
  if (options == nullptr) {
    return InvalidField("database_url", "DATABASE_URL_INVALID",
                        "must be a connection string or URI of libpq");
  }
  ProgramConnection connection;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    if (option->val == nullptr || keyword == "application_name") continue;
    if (option->envvar != nullptr) {
      connection.environment.emplace_back(option->envvar, option->val);
    } else if (option->dispchar[0] == '*') {
      return InvalidField(
          "database_url", "DATABASE_URL_INVALID",
          std::string(keyword) + " cannot be passed on to pg_dump; use a key file without one");
    } else if (keyword != "fallback_application_name") {
      connection.conninfo += (connection.conninfo.empty() ? "" : " ") + std::string(keyword) + "=" +
                             Quoted(option->val);
    }
  }
  return connection;
}

}  // namespace lockstep::pg
