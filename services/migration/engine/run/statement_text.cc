#include "services/migration/engine/run/statement_text.h"

#include <cctype>

#include "common/pg/connection.h"

namespace lockstep::migration {

std::string QuotedName(const std::string& table) {
  const std::size_t dot = table.find('.');
  return pg::QuoteIdentifier(table.substr(0, dot)) + "." +
         pg::QuoteIdentifier(table.substr(dot + 1));
}

std::string BareName(const std::string& table) { return table.substr(table.find('.') + 1); }

bool HasWords(const std::string& statement, std::string_view words) {
  std::string lower;
  for (const char c : statement) {
    const char next = std::isspace(static_cast<unsigned char>(c)) != 0
                          ? ' '
                          : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (next != ' ' || lower.empty() || lower.back() != ' ') lower += next;
  }
  return lower.find(words) != std::string::npos;
}

}  // namespace lockstep::migration
