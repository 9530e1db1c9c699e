#include "services/migration/engine/partitioned_sql.h"

#include <algorithm>
#include <vector>

#include "services/migration/engine/sha256.h"
#include "services/migration/engine/tokens.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kMaxNameBytes = 63;
constexpr std::size_t kDigestDigits = 8;

std::string_view BareOf(std::string_view qualified) {
  return qualified.substr(qualified.find('.') + 1);
}

// At most `bytes` of it, and no half character at its end.
std::string_view Shortened(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

std::optional<std::string> ParentIndexStatement(std::string_view create_index_concurrently) {
  const std::vector<Word> words = CodeWords(create_index_concurrently);
  // A name that is spelled like one of these is quoted, and then no word.
  const auto is = [](std::string_view text) {
    return [text](const Word& word) { return word.text == text; };
  };
  const auto online = std::find_if(words.begin(), words.end(), is("CONCURRENTLY"));
  const auto on = std::find_if(online, words.end(), is("ON"));
  if (online == words.end() || on == words.end() || on + 1 == words.end()) return std::nullopt;
  if ((on + 1)->text == "ONLY") return std::nullopt;
  std::string statement(create_index_concurrently);
  statement.insert(on->begin + on->text.size(), " ONLY");
  statement.erase(online->begin, online->text.size());
  return statement;
}

std::string PartIndexName(std::string_view index, std::string_view part) {
  const std::string digest =
      "_" + Sha256Hex(std::string(index) + " " + std::string(part)).substr(0, kDigestDigits);
  const std::string readable = std::string(BareOf(index)) + "_" + std::string(BareOf(part));
  return std::string(Shortened(readable, kMaxNameBytes - digest.size())) + digest;
}

}  // namespace lockstep::migration
