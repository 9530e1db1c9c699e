// CSV (RFC 4180) from chunks that are cut anywhere.
//
// A `Parser` is fed with pieces of a file and hands out whole records. It accepts LF and CRLF, line
// breaks and doubled quotes inside quotes, and a UTF-8 byte order mark; it skips lines that are
// completely empty. It never guesses: broken quoting, a lone CR, a zero byte, bytes that are not
// UTF-8 and records over the limit are errors with line and byte. What is handed out, and the
// error, do not depend on where the chunks are cut. Memory is bounded by the record limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace lockstep::csv {

// One record. The views are valid until the callback returns.
struct Row {
  std::span<const std::string_view> fields;  // without quotes; at least one
  std::int64_t line = 0;                     // where the record starts; the first line is 1
  std::int64_t byte = 0;                     // the same as offset from the start of the file
};

struct Options {
  char separator = ',';
  std::size_t max_record_bytes = 1 << 20;  // raw bytes of one record, quotes included
};

// Receives records in order. A status that is not OK stops the parser, which returns it.
using RowSink = absl::FunctionRef<absl::Status(const Row&)>;

// Not thread-safe. After an error every further call returns it again.
//
// Errors are INVALID_ARGUMENT with metadata `line` and `byte`: CSV_QUOTING_BROKEN,
// CSV_LINE_BREAK_BROKEN (a lone CR), CSV_ENCODING_BROKEN (not UTF-8, or U+0000),
// CSV_RECORD_TOO_LONG (position of the record's start).
class Parser {
 public:
  explicit Parser(Options options = {});

  // Takes the next piece of the file; calls `sink` for each record that ends in it.
  [[nodiscard]] absl::Status Feed(std::string_view chunk, RowSink sink);
  // The file is complete: hands out a last record without line break. Feed must not be called
  // afterwards.
  [[nodiscard]] absl::Status Finish(RowSink sink);

 private:
  enum class State {
    kFieldStart,
    kUnquoted,
    kQuoted,
    kQuoteSeen,  // inside quotes, after a quote: it ends the field or is the first of two
    kCrSeen,
  };

  absl::Status Consume(std::string_view bytes, RowSink sink);
  absl::Status Parse(std::string_view bytes, RowSink sink);
  absl::Status EndRecord(RowSink sink);
  void EndField() { ends_.push_back(text_.size()); }
  absl::Status TakeUnquoted(std::string_view rest, std::size_t& taken);
  void TakeQuoted(std::string_view rest, std::size_t& taken);
  absl::Status TakeBreakOrSeparator(char c, RowSink sink, bool& is_taken);
  absl::Status CheckLength() const;

  const Options options_;
  absl::Status error_;

  std::size_t bom_matched_ = 0;  // bytes of the byte order mark seen so far
  bool is_past_bom_ = false;
  std::string pending_;  // a UTF-8 sequence that a cut left incomplete

  State state_ = State::kFieldStart;
  bool has_content_ = false;  // the record has more than nothing: false on an empty line
  std::int64_t offset_ = 0;   // of the next byte to parse
  std::int64_t line_ = 1;
  std::int64_t record_offset_ = 0;
  std::int64_t record_line_ = 1;
  std::int64_t quote_offset_ = 0;  // of the last opening quote
  std::int64_t quote_line_ = 1;

  std::string text_;               // the record's fields, unescaped, one after the other
  std::vector<std::size_t> ends_;  // where each finished field ends in text_
  std::vector<std::string_view> views_;
};

}  // namespace lockstep::csv
