// Everything that a List method needs for its SQL: filter, order, position and limit, compiled
// once.
//
//   const ListSpec kOrders{.method = "ListOrders", .filter_fields = {...}, .sort_fields = {...},
//                          .key = {.name = "id", .sql = "o.id", .type = filter::Type::kUuid},
//                          .default_order_by = "sold_at desc"};
//
//   const ListRequest request{.filter = in.filter(), .order_by = in.order_by(), ...};
//   ASSIGN_OR_RETURN(ListQuery list, ListQuery::Make(kOrders, request, signer));
//   ASSIGN_OR_RETURN(pg::Result rows,
//                    tx.QueryList(list.Sql("o.id, o.status", "transactions.orders o"),
//                                 list.Params()));
//   for (int i = 0; i < list.PageRows(rows); ++i) orders.push_back(OrderFromRow(rows[i]));
//   next_page_token = list.NextPageToken(rows);
//
// Pages are cut by keyset, not by OFFSET: rows that come or go between two calls do not shift the
// others, and with an index that has the order (for the default above: `(sold_at DESC NULLS LAST,
// id DESC)`) a page costs the same wherever it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/filter/filter.h"
#include "common/paging/order.h"
#include "common/paging/page_token.h"
#include "common/pg/value.h"

namespace lockstep::paging {

// What one List method allows. A constant of the program.
struct ListSpec {
  std::string method;  // part of what tokens are bound to
  std::vector<filter::Field> filter_fields = {};
  std::vector<SortField> sort_fields = {};
  SortField key;  // unique and NOT NULL; ends every order
  std::string default_order_by = {};
};

// What one call asks for. Everything else that narrows the list (parent, other fields of the
// request) goes into `scope`, as any text that differs when they differ: tokens are bound to it.
struct ListRequest {
  std::string_view filter = {};
  std::string_view order_by = {};
  std::int32_t page_size = 0;
  std::string_view page_token = {};
  std::string_view scope = {};
};

// A value; refers to nothing but `signer`, which must outlive it.
class ListQuery {
 public:
  // The caller's own parameters come first: `first_parameter` is the number of the first one made
  // here. Errors: those of filter::Parse and Compile, PageSize, ParseOrder and TokenSigner::Verify.
  // Several bad fields are reported together, with the reason of the first.
  [[nodiscard]] static absl::StatusOr<ListQuery> Make(const ListSpec& spec,
                                                      const ListRequest& request,
                                                      const TokenSigner& signer,
                                                      int first_parameter = 1);

  // The whole statement: `columns` are those of the select list, `from` is what follows FROM,
  // `where` a further condition of the caller's (bracketed where it has an OR), all constants of
  // the program. Names that start with page_ are taken.
  std::string Sql(std::string_view columns, std::string_view from,
                  std::string_view where = "") const;

  // Its parameters; `own` are the caller's, for `where`.
  std::vector<pg::Param> Params(std::vector<pg::Param> own = {}) const;

  // Rows that belong to the page: all but the extra one, which tells that there is a next page.
  int PageRows(const pg::Result& rows) const;
  // "" when this is the last page. `rows` are those of Sql().
  std::string NextPageToken(const pg::Result& rows) const;

 private:
  ListQuery() = default;

  const TokenSigner* signer_ = nullptr;
  std::string query_text_;
  std::vector<SortTerm> order_;
  int page_size_ = 0;
  // The filter and the position, for each part in which the rows are read; one or two.
  std::vector<std::string> conditions_;
  std::vector<pg::Param> params_;
};

}  // namespace lockstep::paging
