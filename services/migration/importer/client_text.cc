#include "services/migration/importer/client_text.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include "services/migration/engine/sql.h"
#include "services/migration/engine/tokens.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

// Commands that only change what psql shows, or how it stops.
constexpr std::string_view kHarmless[] = {"echo", "qecho", "warn",     "timing",
                                          "pset", "x",     "encoding", "errverbose"};
// Of \set: what psql does with errors and output.
constexpr std::string_view kHarmlessVariables[] = {
    "ON_ERROR_STOP", "ON_ERROR_ROLLBACK", "QUIET",      "ECHO",
    "ECHO_HIDDEN",   "VERBOSITY",         "AUTOCOMMIT", "SHOW_CONTEXT"};

template <std::size_t N>
bool IsOneOf(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string FirstWord(std::string_view text) {
  text = Trimmed(text);
  return std::string(text.substr(0, text.find_first_of(" \t")));
}

class ClientReader {
 public:
  ClientReader(const SourceScript& script, History& history) : script_(script), history_(history) {
    server_.text = script.text;
  }

  ServerText Take(bool replaces_variables, const std::map<std::string, std::string>& variables) {
    // The scanners read C strings and would not see the rest.
    if (server_.text.find('\0') != std::string::npos) return std::move(server_);
    TakeRows();
    TakeCommands();
    if (replaces_variables) ReplaceVariables(variables);
    return std::move(server_);
  }

 private:
  void Refuse(std::size_t offset, const char* code, std::string message) {
    history_.problems.push_back(
        {script_.file, LineOf(server_.text, offset), 0, code, std::move(message)});
  }

  // Quotes in rows are no quotes of SQL, so what comes after them is read only once they are gone.
  void TakeRows() {
    std::string& text = server_.text;
    if (LowerCase(text).find("stdin") == std::string::npos) return;
    std::size_t from = 0;
    while (const auto semicolon = NextCopy(from)) {
      const std::size_t begin = std::min(text.find('\n', *semicolon), text.size() - 1) + 1;
      std::size_t end = text.size();
      std::size_t after = text.size();
      for (const SourceLine& line : LinesOf(std::string_view(text).substr(begin))) {
        if (line.text != "\\.") continue;
        end = begin + line.begin;
        after = begin + line.end;
        break;
      }
      std::string rows = text.substr(begin, end - begin);
      std::erase(rows, '\r');
      server_.copy_data[*semicolon] = std::move(rows);
      BlankOut(text, begin, after);
      from = after;
    }
  }

  // The semicolon of the first COPY ... FROM STDIN that begins at `from` or later.
  std::optional<std::size_t> NextCopy(std::size_t from) const {
    const std::vector<Word> words = CodeWords(std::string_view(server_.text).substr(from));
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (!words[i].starts_statement || words[i].text != "COPY") continue;
      bool reads_client = false;
      for (++i; i < words.size() && words[i].text != ";"; ++i) {
        reads_client = reads_client || (words[i].text == "STDIN" && words[i - 1].text == "FROM");
      }
      if (reads_client && i < words.size()) return from + words[i].begin;
    }
    return std::nullopt;
  }

  void TakeCommands() {
    std::string& text = server_.text;
    for (const std::size_t offset : MetaCommands(text)) {
      const std::size_t end = std::min(text.find('\n', offset), text.size());
      const std::string_view line = std::string_view(text).substr(offset, end - offset);
      const std::string command = FirstWord(line.substr(1));
      const std::string argument = FirstWord(line.substr(1 + command.size()));
      // pg_dump writes them since 2025 so that a dump cannot run commands of its own.
      const bool is_guard = command == "restrict" || command == "unrestrict";
      const bool is_harmless =
          IsOneOf(command, kHarmless) ||
          ((command == "set" || command == "unset") && IsOneOf(argument, kHarmlessVariables));
      if (is_harmless) {
        history_.notes.push_back({script_.file, LineOf(text, offset), 0, "IMPORT_PSQL_LEFT_OUT",
                                  "\\" + command + " only changes what psql shows"});
      } else if (!is_guard) {
        Refuse(offset, "IMPORT_PSQL_COMMAND",
               "psql command " + std::string(Trimmed(line.substr(0, 60))) +
                   " cannot be carried over; write what it does as SQL");
      }
      BlankOut(text, offset, end);
    }
  }

  // :name, :'name' and :"name" outside of quotes and comments.
  void ReplaceVariables(const std::map<std::string, std::string>& variables) {
    std::string& text = server_.text;
    const auto tokens = ScanTokens(text);
    if (!tokens.has_value()) return;
    for (std::size_t i = tokens->size(); i-- > 1;) {
      const Token& colon = (*tokens)[i - 1];
      const Token& name = (*tokens)[i];
      if (text.substr(colon.begin, colon.end - colon.begin) != ":" || colon.end != name.begin) {
        continue;
      }
      // a[1:n] is a slice.
      const char before = colon.begin == 0 ? ' ' : text[colon.begin - 1];
      if (std::isalnum(static_cast<unsigned char>(before)) != 0 || before == ')' || before == ']') {
        continue;
      }
      std::string word = text.substr(name.begin, name.end - name.begin);
      const char quote = word[0] == '\'' || word[0] == '"' ? word[0] : '\0';
      if (quote == '\0' && std::isalpha(static_cast<unsigned char>(word[0])) == 0 &&
          word[0] != '_') {
        continue;
      }
      if (quote != '\0') word = word.substr(1, word.size() - 2);
      const auto value = variables.find(word);
      if (value == variables.end()) {
        Refuse(colon.begin, "IMPORT_PLACEHOLDER_MISSING",
               "psql variable :" + word + " has no value; give --placeholder " + word + "=...");
        continue;
      }
      std::string written = value->second;
      if (quote != '\0') {
        std::string quoted(1, quote);
        for (const char c : written) quoted.append(c == quote ? 2 : 1, c);
        written = quoted + quote;
      }
      text.replace(colon.begin, name.end - colon.begin, written);
      Shift(colon.begin, static_cast<std::ptrdiff_t>(written.size()) -
                             static_cast<std::ptrdiff_t>(name.end - colon.begin));
    }
  }

  // Rows are known by the byte at which their statement ends.
  void Shift(std::size_t from, std::ptrdiff_t by) {
    std::map<std::size_t, std::string> shifted;
    for (auto& [offset, rows] : server_.copy_data) {
      const bool moves = offset > from;
      shifted[moves ? static_cast<std::size_t>(static_cast<std::ptrdiff_t>(offset) + by) : offset] =
          std::move(rows);
    }
    server_.copy_data = std::move(shifted);
  }

  const SourceScript& script_;
  History& history_;
  ServerText server_;
};

}  // namespace

ServerText TakeClientParts(const SourceScript& script, bool replaces_variables,
                           const std::map<std::string, std::string>& variables, History& history) {
  return ClientReader(script, history).Take(replaces_variables, variables);
}

}  // namespace lockstep::migration
