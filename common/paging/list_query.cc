#include "common/paging/list_query.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/paging/page_size.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::paging {
namespace {

std::string_view SqlType(filter::Type type) {
  switch (type) {
    case filter::Type::kText:
    case filter::Type::kEnum:
      return "text";
    case filter::Type::kTime:
      return "timestamptz";
    case filter::Type::kDate:
      return "date";
    case filter::Type::kDecimal:
      return "numeric";
    case filter::Type::kInteger:
      return "bigint";
    case filter::Type::kBool:
      return "boolean";
    case filter::Type::kUuid:
      return "uuid";
  }
  return "text";
}

std::string Column(std::size_t term) { return absl::StrFormat("page_key_%d", term); }

std::string KeyColumns(const std::vector<SortTerm>& order) {
  std::string sql;
  for (std::size_t i = 0; i < order.size(); ++i) {
    sql += ", (" + order[i].field.sql + ")::text AS " + Column(i);
  }
  return sql;
}

std::string SortColumns(const std::vector<SortTerm>& order) {
  std::string sql;
  for (std::size_t i = 0; i < order.size(); ++i) {
    sql += ", (" + order[i].field.sql + ") AS " + absl::StrFormat("page_sort_%d", i);
  }
  return sql;
}

// By the expressions of the fields, or by their SortColumns().
std::string OrderAndLimit(const std::vector<SortTerm>& order, int limit, bool by_columns) {
  std::string sql;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const SortTerm& term = order[i];
    sql += sql.empty() ? " ORDER BY (" : ", (";
    sql += by_columns ? absl::StrFormat("page_sort_%d", i) : term.field.sql;
    sql += term.is_descending ? ") DESC" : ") ASC";
    // NULLS LAST is what ascending means anyway. For columns that are never NULL it is left out of
    // descending orders, so that a plain index can be read backwards.
    if (term.is_descending && term.field.is_nullable) sql += " NULLS LAST";
  }
  return sql + absl::StrFormat(" LIMIT %d", limit);
}

// Writes "the row comes after `key`" as SQL. With terms a, b, c:
//
//   after(a) OR (same(a) AND (after(b) OR (same(b) AND after(c))))
//
// where after(x) is x > $n (x < $n descending), and `OR x IS NULL` because rows without a value
// come last; nothing comes after NULL, so that a NULL in the key needs neither after(x) nor a
// parameter.
class Position {
 public:
  Position(const std::vector<SortTerm>& order, const PageKey& key, int first_parameter)
      : order_(order), key_(key) {
    for (const auto& value : key) {
      numbers_.push_back(first_parameter);
      if (value.has_value()) ++first_parameter;
    }
  }

  std::string Exact() const { return From(0); }

  // Whether rows after `key` are a range of the first term, then those without it.
  bool IsSplit() const { return order_.front().field.is_nullable && key_.front().has_value(); }

  // The position within that range. The first comparison is implied by the rest, but only this
  // form, without OR, can be where an index scan starts.
  std::string InRange() const {
    if (order_.size() == 1 || !key_.front().has_value()) return Exact();
    const SortTerm& first = order_.front();
    return absl::StrFormat("((%s) %s %s AND %s)", first.field.sql,
                           first.is_descending ? "<=" : ">=", Parameter(0), Exact());
  }

  std::vector<pg::Param> Params() const {
    std::vector<pg::Param> params;
    for (const auto& value : key_) {
      if (value.has_value()) params.push_back(pg::Param(*value));
    }
    return params;
  }

 private:
  std::string Parameter(std::size_t i) const {
    return absl::StrFormat("$%d::%s", numbers_[i], SqlType(order_[i].field.type));
  }

  std::string After(std::size_t i) const {
    const SortTerm& term = order_[i];
    std::string sql =
        absl::StrFormat("(%s) %s %s", term.field.sql, term.is_descending ? "<" : ">", Parameter(i));
    if (term.field.is_nullable) sql += absl::StrFormat(" OR (%s) IS NULL", term.field.sql);
    return "(" + sql + ")";
  }

  std::string From(std::size_t i) const {
    const bool is_last = i + 1 == order_.size();
    if (!key_[i].has_value()) {
      if (is_last) return "FALSE";
      return "((" + order_[i].field.sql + ") IS NULL AND " + From(i + 1) + ")";
    }
    if (is_last) return After(i);
    return "(" + After(i) + " OR ((" + order_[i].field.sql + ") = " + Parameter(i) + " AND " +
           From(i + 1) + "))";
  }

  const std::vector<SortTerm>& order_;
  const PageKey& key_;
  std::vector<int> numbers_;  // of each term's parameter
};

// The parts of the query that tokens are bound to, each with its length, so that none can be
// mistaken for another.
std::string QueryText(const ListSpec& spec, const ListRequest& request,
                      const filter::Filter& filter, const std::vector<SortTerm>& order) {
  std::string text;
  for (const std::string& part :
       {spec.method, std::string(request.scope), filter.CanonicalText(), CanonicalText(order)}) {
    text += absl::StrFormat("%d:%s;", part.size(), part);
  }
  return text;
}

// Gathers the errors of independent fields into one answer.
class Errors {
 public:
  // Returns true when `status` is OK.
  bool Add(const absl::Status& status) {
    if (status.ok()) return true;
    statuses_.push_back(status);
    return false;
  }
  absl::Status ToStatus() const {
    if (statuses_.empty()) return absl::OkStatus();
    if (statuses_.size() == 1) return statuses_.front();
    ErrorBuilder error =
        Error(statuses_.front().code(), ReasonOf(statuses_.front()), MessageOf(statuses_.front()));
    for (const absl::Status& status : statuses_) {
      for (const FieldViolation& violation : FieldsOf(status)) {
        error.Field(violation.field, violation.description);
      }
      for (const char* key : {"column", "field"}) {
        const std::string value = MetadataOf(status, key);
        if (!value.empty()) error.With(key, value);
      }
    }
    return error;
  }

 private:
  std::vector<absl::Status> statuses_;
};

}  // namespace

absl::StatusOr<ListQuery> ListQuery::Make(const ListSpec& spec, const ListRequest& request,
                                          const TokenSigner& signer, int first_parameter) {
  Errors errors;
  ListQuery query;
  query.signer_ = &signer;
  const auto page_size = PageSize(request.page_size);
  if (errors.Add(page_size.status())) query.page_size_ = *page_size;
  filter::Condition condition;
  auto parsed = filter::Parse(request.filter);
  if (errors.Add(parsed.status())) {
    query.filter_ = *std::move(parsed);
    auto compiled = filter::Compile(query.filter_, spec.filter_fields, first_parameter);
    if (errors.Add(compiled.status())) condition = *std::move(compiled);
  }
  const auto order =
      ParseOrder(request.order_by, spec.default_order_by, spec.sort_fields, spec.key);
  errors.Add(order.status());
  RETURN_IF_ERROR(errors.ToStatus());

  query.query_text_ = QueryText(spec, request, query.filter_, *order);
  query.term_count_ = order->size();
  query.key_columns_ = KeyColumns(*order);
  query.order_and_limit_ = OrderAndLimit(*order, query.page_size_ + 1, false);
  query.sort_columns_ = SortColumns(*order);
  query.outer_order_and_limit_ = OrderAndLimit(*order, query.page_size_ + 1, true);
  query.filter_condition_ = condition.sql;
  query.filter_param_count_ = condition.params.size();
  query.condition_ = condition.sql;
  query.params_ = std::move(condition.params);
  if (request.page_token.empty()) return query;

  ASSIGN_OR_RETURN(PageKey key, signer.Verify(query.query_text_, request.page_token));
  if (key.size() != order->size()) {
    return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                 "a signed page token has another number of sort values than its order");
  }
  const Position position(*order, key, first_parameter + static_cast<int>(query.params_.size()));
  if (position.IsSplit()) {
    query.condition_ = "(" + condition.sql + " AND " + position.Exact() + ")";
    query.range_condition_ = "(" + condition.sql + " AND " + position.InRange() + ")";
    query.null_condition_ =
        "(" + condition.sql + " AND (" + order->front().field.sql + ") IS NULL)";
  } else {
    query.condition_ = "(" + condition.sql + " AND " + position.InRange() + ")";
  }
  for (pg::Param& param : position.Params()) query.params_.push_back(std::move(param));
  return query;
}

std::string ListQuery::Sql(std::string_view columns, std::string_view from,
                           std::string_view where) const {
  const auto select = [&](const std::string& sort_columns, const std::string& condition) {
    std::string sql = "SELECT " + std::string(columns) + key_columns_ + sort_columns + " FROM ";
    sql.append(from).append(" WHERE ").append(where.empty() ? "TRUE" : where);
    return sql + " AND " + condition + order_and_limit_;
  };
  if (range_condition_.empty()) return select("", condition_);
  // PostgreSQL cannot read "below a value, or NULL" from an index in order, but it can read each
  // part, and merge them.
  return "SELECT * FROM ((" + select(sort_columns_, range_condition_) + ") UNION ALL (" +
         select(sort_columns_, null_condition_) + ")) AS page" + outer_order_and_limit_;
}

int ListQuery::PageRows(const pg::Result& rows) const { return std::min(rows.size(), page_size_); }

std::string ListQuery::NextPageToken(const pg::Result& rows) const {
  if (rows.size() <= page_size_) return "";
  return TokenAfter(rows[page_size_ - 1]);
}

std::string ListQuery::TokenAfter(const pg::Row& last) const {
  PageKey key;
  for (std::size_t i = 0; i < term_count_; ++i) key.push_back(last.OptionalText(Column(i)));
  return signer_->Sign(query_text_, key);
}

}  // namespace lockstep::paging
