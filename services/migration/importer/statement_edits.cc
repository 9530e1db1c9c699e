#include "services/migration/importer/statement_edits.h"

#include <vector>

#include "common/pg/connection.h"
#include "services/migration/engine/tokens.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

class Words {
 public:
  explicit Words(std::string_view statement) : words_(CodeWords(statement)) {}
  std::string_view operator[](std::size_t i) const {
    return i < words_.size() ? std::string_view(words_[i].text) : std::string_view();
  }
  std::size_t begin(std::size_t i) const { return words_[i].begin; }
  std::size_t size() const { return words_.size(); }
  // The first `word` at `from` or later, or size().
  std::size_t Find(std::string_view word, std::size_t from = 0) const {
    while (from < size() && (*this)[from] != word) ++from;
    return from;
  }

 private:
  std::vector<Word> words_;
};

// Where the schema has to go: in front of names without one. `at`: the first name.
void PutSchema(std::string& statement, const Words& words, std::size_t at, std::string_view schema,
               bool is_list) {
  std::vector<std::size_t> places;
  for (; at < words.size(); ++at) {
    if (words[at + 1] != ".") places.push_back(words.begin(at));
    if (!is_list) break;
    at = words.Find(",", at);
  }
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    statement.insert(*place, pg::QuoteIdentifier(schema) + ".");
  }
}

std::size_t SkipExists(const Words& words, std::size_t at) {
  while (words[at] == "IF" || words[at] == "NOT" || words[at] == "EXISTS") ++at;
  return at;
}

}  // namespace

std::optional<std::string> AsLocalSetting(std::string_view statement) {
  const Words words(statement);
  std::string local(statement);
  if (words[0] == "SET") {
    if (words[1] == "LOCAL") return local;
    if (words[1] == "SESSION") {
      return local.replace(words.begin(1), sizeof("SESSION") - 1, "LOCAL");
    }
    return local.insert(words.begin(0) + 3, " LOCAL");
  }
  if (words[0] == "RESET") {
    if (words[1] == "ALL" || words.size() < 2) return std::nullopt;
    const bool is_zone = words[1] == "TIME" && words[2] == "ZONE";
    return "SET LOCAL " + std::string(statement.substr(words.begin(1))) +
           (is_zone ? " DEFAULT" : " TO DEFAULT");
  }
  for (std::size_t i = words.size(); i-- > 0;) {
    if (words[i] != "FALSE") continue;
    return local.replace(words.begin(i), sizeof("FALSE") - 1, "true");
  }
  return local;
}

std::optional<std::string> SchemaOfSetting(std::string_view statement) {
  const std::string lower = LowerCase(statement);
  const std::size_t name = lower.find("search_path");
  if (name == std::string::npos) return std::nullopt;
  const Words words(statement);
  const bool is_call = words[0] == "SELECT";
  if (words[0] != "SET" && !is_call) return std::nullopt;
  std::size_t at = name + sizeof("search_path") - 1;
  if (is_call) {
    at = statement.find('\'', at + 1);  // after the quote that ends the name
    if (at == std::string_view::npos) return std::nullopt;
  } else {
    while (at < statement.size() && (statement[at] == ' ' || statement[at] == '=')) ++at;
    if (lower.substr(at, 2) == "to") at += 2;
  }
  std::string_view list = Trimmed(statement.substr(at));
  while (!list.empty()) {
    const std::size_t end = list.find_first_of(",;)");
    std::string_view schema = Trimmed(list.substr(0, end));
    while (!schema.empty() && (schema.front() == '\'' || schema.front() == '"'))
      schema.remove_prefix(1);
    while (!schema.empty() && (schema.back() == '\'' || schema.back() == '"'))
      schema.remove_suffix(1);
    if (schema != "$user") return std::string(schema);
    list = end == std::string_view::npos ? std::string_view() : Trimmed(list.substr(end + 1));
  }
  return "";
}

std::string WithSchema(std::string_view statement, std::string_view schema) {
  std::string qualified(statement);
  const Words words(statement);
  const std::size_t concurrently = words.Find("CONCURRENTLY");
  if (words[0] == "COPY") {
    PutSchema(qualified, words, 1, schema, false);
  } else if (words[0] == "CREATE" && concurrently < words.size()) {
    std::size_t table = words.Find("ON", concurrently) + 1;
    if (words[table] == "ONLY") ++table;
    PutSchema(qualified, words, table, schema, false);
  } else if (words[0] == "DROP" && words[1] == "INDEX" && concurrently < words.size()) {
    PutSchema(qualified, words, SkipExists(words, concurrently + 1), schema, true);
  } else if (words[0] == "REINDEX" && concurrently < words.size()) {
    const std::string_view kind = words[concurrently - 1];
    if (kind == "INDEX" || kind == "TABLE") {
      PutSchema(qualified, words, concurrently + 1, schema, false);
    }
  }
  return qualified;
}

std::string OwnedBy(std::string_view create_schema, std::string_view role) {
  const Words words(create_schema);
  const std::size_t name = SkipExists(words, 2);
  std::string owned(create_schema);
  const std::string clause = "AUTHORIZATION " + pg::QuoteIdentifier(role);
  if (words[name] == "AUTHORIZATION") {
    // The schema is called like the role that was to own it.
    const std::string called(Trimmed(create_schema.substr(words.begin(name) + 13)));
    return std::string(create_schema.substr(0, words.begin(name))) + called + " " + clause;
  }
  if (words[name + 1] == "AUTHORIZATION") {
    const std::size_t begin = words.begin(name + 1);
    const std::size_t end = name + 3 < words.size() ? words.begin(name + 3) : owned.size();
    return owned.replace(begin, end - begin, clause + (name + 3 < words.size() ? " " : ""));
  }
  if (name + 1 < words.size()) return owned.insert(words.begin(name + 1), clause + " ");
  return owned + " " + clause;
}

std::string WithoutConcurrently(std::string_view statement) {
  const Words words(statement);
  const std::size_t at = words.Find("CONCURRENTLY");
  std::string plain(statement);
  if (at < words.size()) plain.erase(words.begin(at), sizeof("CONCURRENTLY") - 1);
  return plain;
}

}  // namespace lockstep::migration
