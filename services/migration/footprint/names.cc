#include "services/migration/footprint/names.h"

#include <algorithm>
#include <cctype>

namespace lockstep::migration::footprint {
namespace {

bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool BeginsName(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}
bool IsNameChar(char c) { return BeginsName(c) || IsDigit(c) || c == '$'; }

// The end of the quoted name that begins at `at`; `at` when it is something else, such as the
// quotation mark at the end of a piece.
std::size_t EndOfQuoted(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && IsNameChar(text[end])) ++end;
  return end < text.size() && text[end] == '"' && end > at + 1 ? end + 1 : at;
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

Word WordAt(std::string_view text, std::size_t at) {
  Word word{.begin = at, .end = at + 1};
  if (text[at] == '"') {
    const std::size_t end = EndOfQuoted(text, at);
    if (end > at) {
      word.kind = Word::Kind::kName;
      word.is_quoted = true;
      word.end = end;
      word.text = text.substr(at + 1, end - at - 2);
      return word;
    }
  } else if (BeginsName(text[at])) {
    while (word.end < text.size() && IsNameChar(text[word.end])) ++word.end;
    word.kind = Word::Kind::kName;
    word.text = ToLower(text.substr(at, word.end - at));
    return word;
  } else if (IsDigit(text[at])) {
    while (word.end < text.size() && IsNameChar(text[word.end])) ++word.end;
    word.kind = Word::Kind::kNumber;
  }
  word.text = text.substr(at, word.end - at);
  return word;
}

}  // namespace

std::vector<Word> ReadWords(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size();) {
    if (IsSpace(text[at])) {
      ++at;
      continue;
    }
    words.push_back(WordAt(text, at));
    at = words.back().end;
  }
  return words;
}

Chain ReadChain(const std::vector<Word>& words, std::size_t at) {
  Chain chain{.parts = {words[at].text}, .first = at, .last = at};
  while (chain.last + 2 < words.size() && words[chain.last + 1].Is('.') &&
         words[chain.last + 2].IsName()) {
    const Word& dot = words[chain.last + 1];
    const Word& name = words[chain.last + 2];
    if (words[chain.last].end != dot.begin || dot.end != name.begin) chain.is_tight = false;
    chain.parts.push_back(name.text);
    chain.last += 2;
  }
  return chain;
}

}  // namespace lockstep::migration::footprint
