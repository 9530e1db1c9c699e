#include "common/csv/utf8.h"

#include <cstdint>
#include <cstring>

namespace lockstep::csv {
namespace {

// True when all eight bytes are ASCII and none is zero.
bool IsPlain(const char* bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return (((word - kOnes) | word) & kHighs) == 0;
}

}  // namespace

SequenceInfo FirstSequence(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  if (lead == 0) return {Sequence::kBroken, 0};
  if (lead < 0x80) return {Sequence::kComplete, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Sequence::kBroken, 0};
  const std::size_t length = lead < 0xE0 ? 2 : (lead < 0xF0 ? 3 : 4);
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {Sequence::kIncomplete, 0};
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (i == 1) {
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    }
    if (at(i) < low || at(i) > high) return {Sequence::kBroken, 0};
  }
  return {Sequence::kComplete, length};
}

std::size_t ValidPrefix(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    while (i + 8 <= bytes.size() && IsPlain(bytes.data() + i)) i += 8;
    if (i == bytes.size()) break;
    const SequenceInfo first = FirstSequence(bytes.substr(i));
    if (first.kind != Sequence::kComplete) break;
    i += first.length;
  }
  return i;
}

}  // namespace lockstep::csv
