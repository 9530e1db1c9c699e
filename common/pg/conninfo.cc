#include "common/pg/conninfo.h"

#include <libpq-fe.h>

#include <memory>

#include "common/status/error.h"
#include "common/status/macros.h"

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

using ConnectionOptions = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

absl::StatusOr<ConnectionOptions> Parse(std::string_view database_url) {
  char* message = nullptr;
  ConnectionOptions options(PQconninfoParse(std::string(database_url).c_str(), &message),
                            &PQconninfoFree);
  PQfreemem(message);
  // The parser's message may quote the string, and with it the password.
  if (options == nullptr) {
    return InvalidField("database_url", "DATABASE_URL_INVALID",
                        "must be a connection string or URI of libpq");
  }
  return options;
}

}  // namespace

absl::StatusOr<std::string> WithDatabase(std::string_view database_url, std::string_view database) {
  ASSIGN_OR_RETURN(const ConnectionOptions options, Parse(database_url));
  std::string url = "dbname=" + Quoted(database);
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || std::string_view(option->keyword) == "dbname") continue;
    url += " " + std::string(option->keyword) + "=" + Quoted(option->val);
  }
  return url;
}

absl::StatusOr<ProgramConnection> ForProgram(std::string_view database_url) {
  ASSIGN_OR_RETURN(const ConnectionOptions options, Parse(database_url));
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
