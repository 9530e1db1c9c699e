// Values on their way to PostgreSQL (`Param`) and back (`Row`). Everything travels as text: exact
// for numeric, readable in a trace, and never through binary floating point.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

struct pg_result;

namespace lockstep::pg {

// One bound parameter. Implicit on purpose, so that calls read `tx.Query(sql, id.text(), amount)`.
// Text must not contain U+0000 (PostgreSQL cannot store it); Query refuses it with
// INVALID_ARGUMENT.
class Param {
 public:
  Param(std::nullopt_t) {}                                            // NOLINT
  Param(std::string_view text) : text_(std::string(text)) {}          // NOLINT
  Param(const std::string& text) : text_(text) {}                     // NOLINT
  Param(std::string&& text) : text_(std::move(text)) {}               // NOLINT
  Param(const char* text) : text_(text) {}                            // NOLINT
  Param(std::same_as<bool> auto value) : text_(value ? "t" : "f") {}  // NOLINT
  template <std::integral Int>
  requires(!std::same_as<Int, bool>) Param(Int value) : text_(std::to_string(value)) {}  // NOLINT
  Param(absl::Time time);     // NOLINT  timestamptz in UTC, truncated to microseconds
  Param(absl::CivilDay day);  // NOLINT
  template <typename T>
  Param(const std::optional<T>& value) {  // NOLINT
    if (value.has_value()) text_ = Param(*value).text_;
  }

  const std::optional<std::string>& text() const { return text_; }

 private:
  std::optional<std::string> text_;
};

// A text array literal for `unnest($1::text[])`, one entry a row; nullopt becomes NULL.
[[nodiscard]] std::string ArrayLiteral(std::span<const std::optional<std::string>> values);
[[nodiscard]] std::string ArrayLiteral(std::span<const std::string> values);
// A bytea literal ("\x...").
[[nodiscard]] std::string BytesLiteral(std::string_view bytes);

// Thrown by Row when the program asks for what the query did not select, or for a value of another
// type: a bug, not an input error. Pool and Connection turn it into INTERNAL (INVARIANT_BROKEN) at
// their border.
class RowError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

class Result;

// One row, read by column name. Valid after its Result is gone (they share the data). Supported T:
// std::string, bool, int32_t, int64_t, absl::Time, absl::CivilDay. numeric columns are read as
// std::string.
class Row {
 public:
  bool IsNull(std::string_view column) const;
  // The value of a NOT NULL column.
  template <typename T>
  T Get(std::string_view column) const;  // defined for the types above only
  template <typename T>
  std::optional<T> Optional(std::string_view column) const {
    if (IsNull(column)) return std::nullopt;
    return Get<T>(column);
  }
  std::string Text(std::string_view column) const;
  std::optional<std::string> OptionalText(std::string_view column) const;

 private:
  friend class Result;
  Row(std::shared_ptr<pg_result> result, int row) : result_(std::move(result)), row_(row) {}
  int ColumnIndex(std::string_view column) const;
  std::string_view Raw(std::string_view column) const;

  std::shared_ptr<pg_result> result_;  // Shared with the other rows and the Result.
  int row_;
};

// All rows of one statement.
class Result {
 public:
  explicit Result(pg_result* owned);

  int size() const;
  bool empty() const { return size() == 0; }
  Row operator[](int row) const { return Row(result_, row); }
  // Rows that an INSERT, UPDATE, DELETE, MERGE or COPY touched, or a SELECT returned.
  std::int64_t affected() const;
  std::vector<std::string> columns() const;
  // For tools that print any result: text of one cell by position.
  std::optional<std::string> Cell(int row, int column) const;

  class Iterator {
   public:
    Iterator(const Result* result, int row) : result_(result), row_(row) {}
    Row operator*() const { return (*result_)[row_]; }
    Iterator& operator++() {
      ++row_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return row_ != other.row_; }

   private:
    const Result* result_;
    int row_;
  };
  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, size()); }

 private:
  std::shared_ptr<pg_result> result_;  // Shared with the rows.
};

template <>
std::string Row::Get<std::string>(std::string_view column) const;
template <>
bool Row::Get<bool>(std::string_view column) const;
template <>
std::int32_t Row::Get<std::int32_t>(std::string_view column) const;
template <>
std::int64_t Row::Get<std::int64_t>(std::string_view column) const;
template <>
absl::Time Row::Get<absl::Time>(std::string_view column) const;
template <>
absl::CivilDay Row::Get<absl::CivilDay>(std::string_view column) const;

}  // namespace lockstep::pg
