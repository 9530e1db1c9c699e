#include "common/csv/parser.h"

#include <algorithm>
#include <cstring>

#include "common/csv/utf8.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::csv {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

absl::Status Broken(std::string_view reason, std::string_view what, std::int64_t line,
                    std::int64_t byte) {
  std::string message = "line " + std::to_string(line) + ", byte " + std::to_string(byte) + ": ";
  message.append(what);
  return Error(absl::StatusCode::kInvalidArgument, reason, message)
      .With("line", line)
      .With("byte", byte);
}

}  // namespace

Parser::Parser(Options options) : options_(options) {}

absl::Status Parser::Feed(std::string_view chunk, RowSink sink) {
  RETURN_IF_ERROR(error_);
  while (!is_past_bom_ && !chunk.empty()) {
    if (chunk.front() == kByteOrderMark[bom_matched_]) {
      chunk.remove_prefix(1);
      if (++bom_matched_ < kByteOrderMark.size()) continue;
      offset_ = record_offset_ = static_cast<std::int64_t>(kByteOrderMark.size());
      is_past_bom_ = true;
    } else {
      is_past_bom_ = true;
      error_ = Consume(kByteOrderMark.substr(0, bom_matched_), sink);
      RETURN_IF_ERROR(error_);
    }
  }
  error_ = Consume(chunk, sink);
  return error_;
}

absl::Status Parser::Finish(RowSink sink) {
  RETURN_IF_ERROR(error_);
  if (!is_past_bom_) error_ = Consume(kByteOrderMark.substr(0, bom_matched_), sink);
  is_past_bom_ = true;
  RETURN_IF_ERROR(error_);
  error_ = CheckLength();
  RETURN_IF_ERROR(error_);
  if (!pending_.empty()) {
    error_ =
        Broken("CSV_ENCODING_BROKEN", "the file ends inside a UTF-8 character", line_, offset_);
  } else if (state_ == State::kQuoted) {
    error_ = Broken("CSV_QUOTING_BROKEN", "the quote is never closed", quote_line_, quote_offset_);
  } else if (state_ == State::kCrSeen) {
    error_ = Broken("CSV_LINE_BREAK_BROKEN", "a CR must be followed by LF", line_, offset_ - 1);
  } else if (has_content_) {
    EndField();
    error_ = EndRecord(sink);
  }
  return error_;
}

// Passes on whole, valid UTF-8 characters only; a character that a cut split waits in `pending_`.
// So what Parse sees, and which of two errors comes first, is the same for every cut.
absl::Status Parser::Consume(std::string_view bytes, RowSink sink) {
  while (!pending_.empty() && !bytes.empty()) {
    pending_.push_back(bytes.front());
    const SequenceInfo first = FirstSequence(pending_);
    if (first.kind == Sequence::kBroken) break;
    bytes.remove_prefix(1);
    if (first.kind == Sequence::kIncomplete) continue;
    RETURN_IF_ERROR(Parse(pending_, sink));
    pending_.clear();
  }
  const std::size_t valid = pending_.empty() ? ValidPrefix(bytes) : 0;
  RETURN_IF_ERROR(Parse(bytes.substr(0, valid), sink));
  const std::string_view rest = bytes.substr(valid);
  if (rest.empty()) return absl::OkStatus();
  if (pending_.empty() && FirstSequence(rest).kind == Sequence::kIncomplete) {
    pending_ = rest;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckLength());
  return Broken("CSV_ENCODING_BROKEN", "the text is not UTF-8 or has a zero byte", line_, offset_);
}

absl::Status Parser::Parse(std::string_view bytes, RowSink sink) {
  for (std::size_t i = 0; i < bytes.size();) {
    RETURN_IF_ERROR(CheckLength());
    const char c = bytes[i];
    if (state_ == State::kQuoted) {
      std::size_t taken = 0;
      TakeQuoted(bytes.substr(i), taken);
      i += taken;
      continue;
    }
    if (state_ == State::kCrSeen && c != '\n') {
      return Broken("CSV_LINE_BREAK_BROKEN", "a CR must be followed by LF", line_, offset_ - 1);
    }
    bool is_taken = false;
    RETURN_IF_ERROR(TakeBreakOrSeparator(c, sink, is_taken));
    if (is_taken) {
      ++i;
    } else if (c == '"' && state_ != State::kUnquoted) {
      if (state_ == State::kQuoteSeen) {
        text_.push_back('"');
      } else {
        quote_line_ = line_;
        quote_offset_ = offset_;
        has_content_ = true;
      }
      state_ = State::kQuoted;
      ++offset_;
      ++i;
    } else if (state_ == State::kQuoteSeen) {
      return Broken("CSV_QUOTING_BROKEN", "text after a closing quote", line_, offset_);
    } else {
      std::size_t taken = 0;
      RETURN_IF_ERROR(TakeUnquoted(bytes.substr(i), taken));
      i += taken;
    }
  }
  return absl::OkStatus();
}

// What ends a field outside quotes; the byte is taken when it is one of them.
absl::Status Parser::TakeBreakOrSeparator(char c, RowSink sink, bool& is_taken) {
  is_taken = true;
  if (c == options_.separator) {
    ++offset_;
    EndField();
    has_content_ = true;
    state_ = State::kFieldStart;
  } else if (c == '\n') {
    ++offset_;
    ++line_;
    if (has_content_) EndField();
    return EndRecord(sink);
  } else if (c == '\r') {
    ++offset_;
    state_ = State::kCrSeen;
  } else {
    is_taken = false;
  }
  return absl::OkStatus();
}

absl::Status Parser::TakeUnquoted(std::string_view rest, std::size_t& taken) {
  std::size_t end = 0;
  for (; end < rest.size(); ++end) {
    const char c = rest[end];
    if (c == options_.separator || c == '\n' || c == '\r' || c == '"') break;
  }
  if (end == 0) {  // Only a quote gets here: the caller has handled the others.
    return Broken("CSV_QUOTING_BROKEN", "a quote inside a field that does not start with one",
                  line_, offset_);
  }
  text_.append(rest.data(), end);
  offset_ += static_cast<std::int64_t>(end);
  has_content_ = true;
  state_ = State::kUnquoted;
  taken = end;
  return absl::OkStatus();
}

void Parser::TakeQuoted(std::string_view rest, std::size_t& taken) {
  const void* quote = std::memchr(rest.data(), '"', rest.size());
  const std::size_t length =
      quote == nullptr ? rest.size()
                       : static_cast<std::size_t>(static_cast<const char*>(quote) - rest.data());
  const std::string_view run = rest.substr(0, length);
  text_.append(run);
  line_ += std::count(run.begin(), run.end(), '\n');
  taken = length;
  if (quote != nullptr) {
    ++taken;
    state_ = State::kQuoteSeen;
  }
  offset_ += static_cast<std::int64_t>(taken);
}

absl::Status Parser::CheckLength() const {
  // The CR of the line break is not part of the record.
  const std::int64_t length = offset_ - record_offset_ - (state_ == State::kCrSeen ? 1 : 0);
  if (length <= static_cast<std::int64_t>(options_.max_record_bytes)) return absl::OkStatus();
  return Broken("CSV_RECORD_TOO_LONG",
                "a record may have at most " + std::to_string(options_.max_record_bytes) + " bytes",
                record_line_, record_offset_);
}

absl::Status Parser::EndRecord(RowSink sink) {
  absl::Status status;
  if (has_content_) {
    views_.clear();
    std::size_t start = 0;
    for (const std::size_t end : ends_) {
      views_.push_back(std::string_view(text_).substr(start, end - start));
      start = end;
    }
    status = sink(Row{views_, record_line_, record_offset_});
  }
  text_.clear();
  ends_.clear();
  has_content_ = false;
  state_ = State::kFieldStart;
  record_offset_ = offset_;
  record_line_ = line_;
  return status;
}

}  // namespace lockstep::csv
