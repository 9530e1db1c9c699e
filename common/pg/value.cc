#include "common/pg/value.h"

#include <libpq-fe.h>

#include <charconv>

#include "absl/strings/str_format.h"

namespace lockstep::pg {
namespace {

// PostgreSQL answers timestamptz as "2024-01-31 23:59:59.123456+00" because sessions run in UTC.
absl::Time ParseTimestamp(std::string_view text) {
  absl::Time time;
  std::string error;
  std::string value(text);
  // "+00" is what UTC looks like; absl wants "+00:00".
  if (value.size() > 3 && (value[value.size() - 3] == '+' || value[value.size() - 3] == '-')) {
    value += ":00";
  }
  if (value == "infinity") return absl::InfiniteFuture();
  if (value == "-infinity") return absl::InfinitePast();
  if (!absl::ParseTime("%Y-%m-%d %H:%M:%E*S%Ez", value, &time, &error)) {
    throw RowError("not a timestamptz: " + std::string(text));
  }
  return time;
}

template <typename Int>
Int ParseInteger(std::string_view text) {
  Int value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) {
    throw RowError("not an integer: " + std::string(text));
  }
  return value;
}

}  // namespace

Param::Param(absl::Time time) {
  if (time == absl::InfiniteFuture()) {
    text_ = "infinity";
  } else if (time == absl::InfinitePast()) {
    text_ = "-infinity";
  } else {
    const absl::Time truncated = absl::FromUnixMicros(absl::ToUnixMicros(time));
    text_ = absl::FormatTime("%E4Y-%m-%d %H:%M:%E6S+00", truncated, absl::UTCTimeZone());
  }
}

Param::Param(absl::CivilDay day)
    : text_(absl::StrFormat("%04d-%02d-%02d", static_cast<int>(day.year()), day.month(),
                            day.day())) {}

namespace {

template <typename Values, typename TextOf>
std::string ToArrayLiteral(const Values& values, TextOf text_of) {
  std::string literal = "{";
  bool is_first = true;
  for (const auto& value : values) {
    if (!is_first) literal += ',';
    is_first = false;
    const std::string* text = text_of(value);
    if (text == nullptr) {
      literal += "NULL";
      continue;
    }
    literal += '"';
    for (const char c : *text) {
      if (c == '"' || c == '\\') literal += '\\';
      literal += c;
    }
    literal += '"';
  }
  literal += '}';
  return literal;
}

}  // namespace

std::string ArrayLiteral(std::span<const std::optional<std::string>> values) {
  return ToArrayLiteral(values, [](const std::optional<std::string>& value) {
    return value.has_value() ? &*value : nullptr;
  });
}

std::string ArrayLiteral(std::span<const std::string> values) {
  return ToArrayLiteral(values, [](const std::string& value) { return &value; });
}

std::string BytesLiteral(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string literal = "\\x";
  literal.reserve(2 + 2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    literal += kHex[byte >> 4];
    literal += kHex[byte & 15];
  }
  return literal;
}

int Row::ColumnIndex(std::string_view column) const {
  // PQfnumber folds case and allocates; column names here are few and plain.
  const int count = PQnfields(result_.get());
  for (int i = 0; i < count; ++i) {
    if (PQfname(result_.get(), i) == column) return i;
  }
  throw RowError("the query selects no column named " + std::string(column));
}

bool Row::IsNull(std::string_view column) const {
  return PQgetisnull(result_.get(), row_, ColumnIndex(column)) != 0;
}

std::string_view Row::Raw(std::string_view column) const {
  const int index = ColumnIndex(column);
  if (PQgetisnull(result_.get(), row_, index) != 0) {
    throw RowError("column " + std::string(column) + " is NULL; read it with Optional()");
  }
  return {PQgetvalue(result_.get(), row_, index),
          static_cast<std::size_t>(PQgetlength(result_.get(), row_, index))};
}

template <>
std::string Row::Get<std::string>(std::string_view column) const {
  return std::string(Raw(column));
}

template <>
bool Row::Get<bool>(std::string_view column) const {
  const std::string_view text = Raw(column);
  if (text == "t") return true;
  if (text == "f") return false;
  throw RowError("column " + std::string(column) + " is not boolean");
}

template <>
std::int64_t Row::Get<std::int64_t>(std::string_view column) const {
  return ParseInteger<std::int64_t>(Raw(column));
}

template <>
std::int32_t Row::Get<std::int32_t>(std::string_view column) const {
  return ParseInteger<std::int32_t>(Raw(column));
}

template <>
absl::Time Row::Get<absl::Time>(std::string_view column) const {
  return ParseTimestamp(Raw(column));
}

template <>
absl::CivilDay Row::Get<absl::CivilDay>(std::string_view column) const {
  absl::CivilDay day;
  const std::string text(Raw(column));
  if (!absl::ParseCivilTime(text, &day)) throw RowError("not a date: " + text);
  return day;
}

std::string Row::Text(std::string_view column) const { return Get<std::string>(column); }

std::optional<std::string> Row::OptionalText(std::string_view column) const {
  return Optional<std::string>(column);
}

Result::Result(pg_result* owned) : result_(owned, &PQclear) {}

int Result::size() const { return PQntuples(result_.get()); }

std::int64_t Result::affected() const {
  const std::string_view text = PQcmdTuples(result_.get());
  return text.empty() ? 0 : ParseInteger<std::int64_t>(text);
}

std::vector<std::string> Result::columns() const {
  const int count = PQnfields(result_.get());
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) names.emplace_back(PQfname(result_.get(), i));
  return names;
}

std::optional<std::string> Result::Cell(int row, int column) const {
  if (PQgetisnull(result_.get(), row, column) != 0) return std::nullopt;
  return std::string(PQgetvalue(result_.get(), row, column),
                     static_cast<std::size_t>(PQgetlength(result_.get(), row, column)));
}

}  // namespace lockstep::pg
