// UTF-8 checking for text that comes in pieces. Private to common/csv.
#pragma once

#include <cstddef>
#include <string_view>

namespace lockstep::csv {

enum class Sequence { kComplete, kIncomplete, kBroken };

struct SequenceInfo {
  Sequence kind;
  std::size_t length;  // bytes of a complete sequence
};

// Looks at the sequence that `bytes` starts with (RFC 3629: no overlong forms, surrogates or values
// above U+10FFFF; a zero byte counts as broken). kIncomplete: valid so far, but cut. REQUIRES: not
// empty.
[[nodiscard]] SequenceInfo FirstSequence(std::string_view bytes);

// How many bytes from the start are complete sequences.
[[nodiscard]] std::size_t ValidPrefix(std::string_view bytes);

}  // namespace lockstep::csv
