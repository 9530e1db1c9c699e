// The `order_by` of List methods: "sold_at desc, id".
//
// Rows without a value sort last in both directions. An order is always total: the key of the rows
// is appended when the request does not name it, in the direction of the last field named.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/filter/filter.h"

namespace lockstep::paging {

// One field that a service allows in order_by. `sql` is an expression over the tables of its query,
// a constant of the program; `type` says how values in page tokens are bound (kEnum and kText as
// text).
struct SortField {
  std::string name;
  std::string sql;
  filter::Type type = filter::Type::kText;
  bool is_nullable = false;  // whether `sql` may be NULL
};

struct SortTerm {
  SortField field;
  bool is_descending = false;
};

// Parses `order_by` (`default_order_by` when it is empty or white space) against `fields` and
// appends `key`. Field names may be followed by "asc" or "desc", in any case. `key` is never NULL,
// unique among the rows, and may be named like a field. Errors, INVALID_ARGUMENT on "order_by":
// ORDER_BY_SYNTAX, ORDER_BY_FIELD_UNKNOWN, ORDER_BY_FIELD_REPEATED.
[[nodiscard]] absl::StatusOr<std::vector<SortTerm>> ParseOrder(std::string_view order_by,
                                                               std::string_view default_order_by,
                                                               std::span<const SortField> fields,
                                                               const SortField& key);

// "sold_at desc, id asc": the same for orders that mean the same. For digests.
[[nodiscard]] std::string CanonicalText(std::span<const SortTerm> order);

}  // namespace lockstep::paging
