#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/filter/filter.h"
#include "common/filter/internal.h"
#include "common/ids/uuid.h"
#include "common/status/macros.h"

namespace lockstep::filter {
namespace {

using internal::FilterError;

bool IsOrdered(Type type) {
  return type != Type::kEnum && type != Type::kBool && type != Type::kUuid;
}

std::string_view SqlOperator(Comparator comparator) {
  return comparator == Comparator::kNotEqual ? "<>" : internal::Symbol(comparator);
}

std::string Joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    if (!text.empty()) text += ", ";
    text += value;
  }
  return text;
}

// Absent values need care only under NOT. PostgreSQL answers NULL for a comparison with NULL, and a
// chain of AND and OR is TRUE exactly when it would be with "false" in place of NULL; so WHERE
// finds the right rows without help, and an index on the bare column stays usable. NOT is written
// `IS NOT TRUE`, which turns both "false" and NULL into TRUE.
class Compiler {
 public:
  Compiler(std::span<const Field> fields, int first_parameter)
      : fields_(fields), next_parameter_(first_parameter) {}

  absl::StatusOr<std::string> Sql(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kAnd:
      case Node::Kind::kOr:
        return Chain(node);
      case Node::Kind::kNot: {
        ASSIGN_OR_RETURN(std::string inner, Sql(node.children.front()));
        return "(" + inner + " IS NOT TRUE)";
      }
      case Node::Kind::kPresent: {
        ASSIGN_OR_RETURN(const Field* field, Find(node));
        return "((" + field->sql + ") IS NOT NULL)";
      }
      case Node::Kind::kCompare:
        return Compare(node);
    }
    return std::string();
  }

  std::vector<pg::Param> TakeParams() { return std::move(params_); }

 private:
  absl::StatusOr<std::string> Chain(const Node& node) {
    std::string sql = "(";
    const char* separator = "";
    for (const Node& child : node.children) {
      ASSIGN_OR_RETURN(std::string part, Sql(child));
      sql += separator + part;
      separator = node.kind == Node::Kind::kAnd ? " AND " : " OR ";
    }
    return sql + ")";
  }

  absl::StatusOr<const Field*> Find(const Node& node) const {
    const auto found = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const Field& field) { return field.name == node.field; });
    if (found != fields_.end()) return &*found;
    std::vector<std::string> names;
    for (const Field& field : fields_) names.push_back(field.name);
    return FilterError("FILTER_FIELD_UNKNOWN", node.field_column,
                       "unknown field; allowed are: " + Joined(names))
        .With("field", node.field);
  }

  absl::StatusOr<std::string> Compare(const Node& node) {
    ASSIGN_OR_RETURN(const Field* field, Find(node));
    const bool is_equality =
        node.comparator == Comparator::kEqual || node.comparator == Comparator::kNotEqual;
    if (!is_equality && !IsOrdered(field->type)) {
      return FilterError("FILTER_OPERATOR_UNSUPPORTED", node.field_column,
                         "this field has no order; use = or !=")
          .With("field", node.field);
    }
    std::string value = node.value;
    if (field->normalise) {
      absl::StatusOr<std::string> normal = field->normalise(value);
      if (!normal.ok()) {
        const std::string reason = ReasonOf(normal.status());
        return FilterError(reason.empty() ? "FILTER_VALUE_UNKNOWN" : reason, node.value_column,
                           MessageOf(normal.status()))
            .With("field", node.field);
      }
      value = *std::move(normal);
    }
    return CompareTyped(node, *field, value);
  }

  absl::StatusOr<std::string> CompareTyped(const Node& node, const Field& field,
                                           const std::string& value) {
    switch (field.type) {
      case Type::kText: {
        const bool is_ordering =
            node.comparator != Comparator::kEqual && node.comparator != Comparator::kNotEqual;
        // By code point, whatever the collation of the database: a filter means the same
        // everywhere.
        return Plain(field.sql, node.comparator, value, "text",
                     is_ordering ? " COLLATE \"C\"" : "");
      }
      case Type::kEnum:
        if (std::find(field.values.begin(), field.values.end(), value) == field.values.end()) {
          return FilterError("FILTER_VALUE_UNKNOWN", node.value_column,
                             "unknown value; allowed are: " + Joined(field.values))
              .With("field", node.field);
        }
        return Plain(field.sql, node.comparator, value, "text");
      case Type::kTime:
        return CompareTime(node, field, value);
      case Type::kDate:
        if (!internal::ReadDate(value)) return Mismatch(node, "a date (YYYY-MM-DD)");
        return Plain(field.sql, node.comparator, value, "date");
      case Type::kDecimal:
        if (!internal::IsDecimal(value))
          return Mismatch(node, "a decimal number, without exponent");
        return Plain(field.sql, node.comparator, value, "numeric");
      case Type::kInteger:
        if (!internal::IsInteger(value)) return Mismatch(node, "a whole number of 64 bits");
        return Plain(field.sql, node.comparator, value, "bigint");
      case Type::kBool:
        if (value != "true" && value != "false") return Mismatch(node, "true or false");
        return Plain(field.sql, node.comparator, value, "boolean");
      case Type::kUuid: {
        const absl::StatusOr<ids::Uuid> uuid = ids::Uuid::Parse(value);
        if (!uuid.ok()) return Mismatch(node, "a UUID");
        return Plain(field.sql, node.comparator, uuid->text(), "uuid");
      }
    }
    return std::string();
  }

  absl::StatusOr<std::string> CompareTime(const Node& node, const Field& field,
                                          const std::string& value) {
    const auto literal = internal::ReadTime(value);
    if (!literal.has_value()) {
      return Mismatch(
          node,
          "an RFC 3339 time with an offset, in the years 1 to 9999 of UTC, or a date (YYYY-MM-DD)");
    }
    const auto compare = [&](Comparator comparator, pg::Param time) {
      return Plain(field.sql, comparator, std::move(time), "timestamptz");
    };
    if (literal->instant.has_value()) return compare(node.comparator, *literal->instant);
    const absl::Time start = absl::FromCivil(literal->day, absl::UTCTimeZone());
    const absl::Time end = absl::FromCivil(literal->day + 1, absl::UTCTimeZone());
    switch (node.comparator) {
      case Comparator::kEqual: {
        const std::string from = compare(Comparator::kGreaterOrEqual, start);
        return "(" + from + " AND " + compare(Comparator::kLess, end) + ")";
      }
      case Comparator::kNotEqual: {
        const std::string before = compare(Comparator::kLess, start);
        return "(" + before + " OR " + compare(Comparator::kGreaterOrEqual, end) + ")";
      }
      case Comparator::kLess:
        return compare(Comparator::kLess, start);
      case Comparator::kLessOrEqual:
        return compare(Comparator::kLess, end);
      case Comparator::kGreater:
        return compare(Comparator::kGreaterOrEqual, end);
      case Comparator::kGreaterOrEqual:
        return compare(Comparator::kGreaterOrEqual, start);
    }
    return std::string();
  }

  std::string Plain(const std::string& sql, Comparator comparator, pg::Param value,
                    std::string_view type, std::string_view collation = "") {
    params_.push_back(std::move(value));
    return absl::StrFormat("((%s)%s %s $%d::%s)", sql, collation, SqlOperator(comparator),
                           next_parameter_++, type);
  }

  static absl::Status Mismatch(const Node& node, std::string_view wanted) {
    return FilterError("FILTER_TYPE_MISMATCH", node.value_column,
                       absl::StrFormat("this field is compared with %s", wanted))
        .With("field", node.field);
  }

  std::span<const Field> fields_;
  int next_parameter_;
  std::vector<pg::Param> params_;
};

}  // namespace

absl::StatusOr<Condition> Compile(const Filter& filter, std::span<const Field> fields,
                                  int first_parameter) {
  if (filter.empty()) return Condition{"TRUE", {}};
  Compiler compiler(fields, first_parameter);
  ASSIGN_OR_RETURN(std::string sql, compiler.Sql(filter.root()));
  return Condition{std::move(sql), compiler.TakeParams()};
}

}  // namespace lockstep::filter
