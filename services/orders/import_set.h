// One set of rows of an import, from mapped rows to committed orders.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/pool.h"
#include "services/orders/catalog_client.h"
#include "services/orders/import_repository.h"
#include "services/orders/reported_sale.h"

namespace lockstep::orders {

// Rows with what is known about them before their transaction.
struct PreparedSet {
  std::vector<ReportRow> rows;
  // One for each row that is a sale, in order.
  struct Target {
    std::size_t row = 0;              // index in rows
    std::optional<OrderId> existing;  // the order that the sale updates,
    ResolvedItem item;                // or the item of a new one
  };
  std::vector<Target> targets;
};

// Finds the orders that exist and, with one call of the catalog, the items behind the others. A row
// whose external id and StockX number belong to two different orders loses its sale and gets a
// problem.
[[nodiscard]] absl::StatusOr<PreparedSet> PrepareSet(pg::Pool& pool, Catalog& catalog,
                                                     const Context& context,
                                                     const Platform& platform,
                                                     std::vector<ReportRow> rows);

// Writes the set with its records, history and events, and adds to the batch's counts: one
// transaction. ALREADY_EXISTS (23505) when an order appeared since PrepareSet: prepare again.
[[nodiscard]] absl::StatusOr<ImportCounts> CommitSet(pg::Pool& pool, const Context& context,
                                                     const Platform& platform,
                                                     const ImportBatchId& batch,
                                                     const PreparedSet& set);

}  // namespace lockstep::orders
