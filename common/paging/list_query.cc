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

  // The conditions of the parts that follow `key`, in order: a range of the first term and, where
  // it may be absent, the rows without it.
  std::vector<std::string> Parts() const {
    const SortTerm& first = order_.front();
    if (order_.size() == 1 || !key_.front().has_value()) return {From(0)};
    // Implied by the rest, but only this form, without OR, can be where an index scan starts.
    const std::string start = absl::StrFormat("(%s) %s %s", first.field.sql,
                                              first.is_descending ? "<=" : ">=", Parameter(0));
    std::vector<std::string> parts{start + " AND " + From(0)};
    if (first.field.is_nullable) parts.push_back(absl::StrFormat("(%s) IS NULL", first.field.sql));
    return parts;
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
    auto compiled = filter::Compile(*parsed, spec.filter_fields, first_parameter);
    if (errors.Add(compiled.status())) condition = *std::move(compiled);
  }
  auto order = ParseOrder(request.order_by, spec.default_order_by, spec.sort_fields, spec.key);
  errors.Add(order.status());
  RETURN_IF_ERROR(errors.ToStatus());

  query.query_text_ = QueryText(spec, request, parsed.value(), *order);
  query.order_ = *std::move(order);
  query.params_ = std::move(condition.params);
  if (request.page_token.empty()) {
    query.conditions_ = {std::move(condition.sql)};
    return query;
  }

  ASSIGN_OR_RETURN(PageKey key, signer.Verify(query.query_text_, request.page_token));
  if (key.size() != query.order_.size()) {
    return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
                 "a signed page token has another number of sort values than its order");
  }
  const Position position(query.order_, key,
                          first_parameter + static_cast<int>(query.params_.size()));
  for (const std::string& part : position.Parts()) {
    query.conditions_.push_back(condition.sql + " AND " + part);
  }
  for (pg::Param& param : position.Params()) query.params_.push_back(std::move(param));
  return query;
}

std::string ListQuery::Sql(std::string_view columns, std::string_view from,
                           std::string_view where) const {
  const auto select = [&](const std::string& sort_columns, const std::string& condition) {
    std::string sql = "SELECT " + std::string(columns) + KeyColumns(order_) + sort_columns;
    sql.append(" FROM ").append(from).append(" WHERE ");
    if (!where.empty()) sql.append(where).append(" AND ");
    return sql + condition + OrderAndLimit(order_, page_size_ + 1, /*by_columns=*/false);
  };
  if (conditions_.size() == 1) return select("", conditions_.front());
  // PostgreSQL cannot read "below a value, or NULL" from an index in order, but it can read each
  // part, and merge them.
  std::string parts;
  for (const std::string& condition : conditions_) {
    parts += parts.empty() ? "(" : " UNION ALL (";
    parts += select(SortColumns(order_), condition) + ")";
  }
  return "SELECT * FROM (" + parts + ") AS page" +
         OrderAndLimit(order_, page_size_ + 1, /*by_columns=*/true);
}

std::vector<pg::Param> ListQuery::Params(std::vector<pg::Param> own) const {
  own.insert(own.end(), params_.begin(), params_.end());
  return own;
}

int ListQuery::PageRows(const pg::Result& rows) const { return std::min(rows.size(), page_size_); }

std::string ListQuery::NextPageToken(const pg::Result& rows) const {
  if (rows.size() <= page_size_) return "";
  const pg::Row last = rows[page_size_ - 1];
  PageKey key;
  for (std::size_t i = 0; i < order_.size(); ++i) key.push_back(last.OptionalText(Column(i)));
  return signer_->Sign(query_text_, key);
}

}  // namespace lockstep::paging
