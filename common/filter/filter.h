// Filters of List methods, in a subset of the grammar of aip.dev/160: Parse() makes a tree,
// Compile() checks it against the fields that a service allows and turns it into SQL with
// parameters. No text of a request enters the SQL.
//
//   filter      = [ expression ]
//   expression  = factor { "AND" factor }
//   factor      = term { "OR" term }
//   term        = [ "NOT" | "-" ] simple
//   simple      = restriction | "(" expression ")"
//   restriction = field comparator value | field ":" "*"
//   field       = word { "." word }
//   comparator  = "=" | "!=" | "<" | "<=" | ">" | ">="
//   value       = quoted text ("..." or '...', escapes \" \' \\ \/ \n \r \t \uXXXX) | bare word
//
// As AIP-160 has it, OR BINDS TIGHTER THAN AND: `a = 1 AND b = 2 OR c = 3` is `a = 1 AND (b = 2 OR
// c = 3)`. Keywords are upper case. A bare word is anything without white space, quotes, brackets,
// commas and comparators: `stockx`, `platforms/stockx`, `-12.50`, `true`, `2024-01-31`, also
// `2024-01-31T10:00:00Z`. Whether a value is a number, a time or a text is decided by its field, so
// `gross_sale > 100` and `gross_sale > "100"` are the same. Not in the subset: bare words as a
// full-text search, juxtaposition as AND, wildcards inside values, functions, `:` with anything but
// `*`.
//
// Absent values (SQL NULL): every comparison with an absent field is false, `!=` included;
// `field:*` is true when the field has a value; NOT of something false is true. So `NOT status =
// "sold"` finds rows without a status, `status != "sold"` does not.
//
// Times: RFC 3339 with an offset, finer than microseconds is truncated; or a date, which means that
// whole day in UTC, [D, D+1): `=` inside the day, `!=` outside it, `<` before it, `<=` before its
// end, `>` from its end on, `>=` from its start on. So `sold_at >= 2024-01-01 AND sold_at <=
// 2024-01-31` is all of January.
//
// Errors are INVALID_ARGUMENT on the field "filter" with the metadata entry `column` (1-based,
// counted in characters): FILTER_SYNTAX, FILTER_TOO_LARGE, FILTER_TOO_DEEP, FILTER_FIELD_UNKNOWN,
// FILTER_OPERATOR_UNSUPPORTED, FILTER_TYPE_MISMATCH, FILTER_VALUE_UNKNOWN.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/value.h"

namespace lockstep::filter {

inline constexpr std::size_t kMaxBytes = 4096;
inline constexpr int kMaxDepth = 50;  // brackets inside each other

enum class Comparator { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

// One node of a parsed filter. Which members mean something depends on `kind`.
struct Node {
  enum class Kind { kAnd, kOr, kNot, kCompare, kPresent };

  Kind kind = Kind::kAnd;
  std::vector<Node> children;  // kAnd, kOr: two or more; kNot: one

  std::string field;                           // kCompare, kPresent
  Comparator comparator = Comparator::kEqual;  // kCompare
  std::string value;                           // kCompare: without quotes and escapes
  std::size_t field_column = 0;                // where it was, for errors
  std::size_t value_column = 0;
};

// A parsed filter. A value; copying is safe.
class Filter {
 public:
  // Finds every row.
  Filter() = default;
  explicit Filter(Node root) : roots_{std::move(root)} {}

  bool empty() const { return roots_.empty(); }
  // REQUIRES: !empty().
  const Node& root() const { return roots_.front(); }

  // The same text for filters that differ only in spacing, quoting and brackets around one term or
  // the whole. Brackets that group what AND (or OR) would join anyway make another one:
  // `(a = 1 AND b = 2) AND c = 3`. For digests; not meant to be parsed again.
  std::string CanonicalText() const;
  // The names of the fields that occur, so that a repository can leave out joins.
  std::set<std::string> FieldNames() const;

 private:
  std::vector<Node> roots_;  // none or one
};

// Parses `text`; empty or white space is the empty filter.
[[nodiscard]] absl::StatusOr<Filter> Parse(std::string_view text);

enum class Type {
  kText,     // every comparator; < and > compare by code point
  kEnum,     // = and != with one of Field::values
  kTime,     // timestamptz; every comparator; a date means the whole day in UTC
  kDate,     // date; every comparator; YYYY-MM-DD
  kDecimal,  // numeric; every comparator; digits with at most one point, no exponent
  kInteger,  // bigint; every comparator
  kBool,     // = and != with true or false
  kUuid,     // = and !=
};

// Turns what a caller may write into what the column holds, before it is checked against the type:
// "platforms/stockx" -> "stockx", "ORDER_STATUS_SHIPPED" -> "shipped". An error's message is passed
// on, its reason too when it has one.
using Normaliser = std::function<absl::StatusOr<std::string>(std::string_view value)>;

// One field that a service allows. `sql` is an expression over the tables of its query, a constant
// of the program.
struct Field {
  std::string name;
  std::string sql;
  Type type = Type::kText;
  std::vector<std::string> values = {};  // kEnum: the values of the column
  Normaliser normalise = nullptr;
};

// A condition for WHERE. Never empty: `TRUE` for the empty filter. Safe to combine with AND: it is
// bracketed.
struct Condition {
  std::string sql;
  std::vector<pg::Param> params;
};

// Checks `filter` against `fields` and compiles it; the first parameter is "$<first_parameter>".
[[nodiscard]] absl::StatusOr<Condition> Compile(const Filter& filter, std::span<const Field> fields,
                                                int first_parameter = 1);

// Normaliser for resource names: "<collection>/x" -> "x"; other values are left as they are.
// StripCollection("inventoryItems") turns "inventoryItems/7f3c..." into "7f3c...".
[[nodiscard]] Normaliser StripCollection(std::string collection);
// Normaliser for enums: "<PREFIX>_SHIPPED" and "SHIPPED" -> "shipped"; lower-case values are left
// as they are.
[[nodiscard]] Normaliser EnumName(std::string prefix);

}  // namespace lockstep::filter
