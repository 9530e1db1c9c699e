// The SQL of imports: batches, and sets of rows written at once. Every function runs in the
// caller's transaction.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/id.h"
#include "common/outbox/outbox.h"
#include "common/paging/list_query.h"
#include "common/pg/pool.h"
#include "services/orders/merge.h"
#include "services/orders/order.h"
#include "services/orders/order_repository.h"
#include "services/orders/profit.h"
#include "services/orders/reported_sale.h"

namespace lockstep::orders {

struct ImportBatchTag;
using ImportBatchId = ids::Id<ImportBatchTag>;

// inserted, updated, unchanged, skipped, quarantined.
enum class ImportOutcome { kInserted, kUpdated, kUnchanged, kSkipped, kQuarantined };
inline constexpr int kImportOutcomeCount = 5;
[[nodiscard]] std::string_view ToText(ImportOutcome outcome);

// What became of a number of rows.
struct ImportCounts {
  std::int64_t outcomes[kImportOutcomeCount] = {};
  std::int64_t itemisations[3] = {};  // by FeeItemisation, accepted rows only
  struct Total {
    std::int64_t gross_minor = 0, net_minor = 0;
  };
  std::map<std::string, Total> totals;  // accepted rows by currency code

  std::int64_t rows() const;
  std::int64_t quarantined() const;
  void Count(ImportOutcome outcome, const ReportedSale* sale);
  void Add(const ImportCounts& other);
};

struct ImportBatch {
  ImportBatchId id;
  std::string source_type;  // the platform's slug
  std::optional<std::string> source_file;
  std::string status;
  std::int64_t row_count = 0, quarantined_count = 0;
  std::optional<ImportCounts> counts;  // only where it was asked for
  std::optional<absl::Time> started_at, completed_at;
  std::optional<std::string> error_message;
};

// Opens a batch. One import of a platform runs at a time: a batch that gave no sign of life for
// `lease` is ended as failed, a live one is FAILED_PRECONDITION (IMPORT_RUNNING) with the time
// after which it would count as dead.
[[nodiscard]] absl::StatusOr<ImportBatchId> BeginBatch(pg::Tx& tx, std::string_view source_type,
                                                       std::string_view source_file,
                                                       absl::Duration lease);
// Adds to the counts, and is the sign of life. ABORTED (IMPORT_TAKEN_OVER) when the batch is no
// longer running: the transaction must then be rolled back.
[[nodiscard]] absl::Status TouchBatch(pg::Tx& tx, const ImportBatchId& id,
                                      const ImportCounts& counts);
[[nodiscard]] absl::Status CompleteBatch(pg::Tx& tx, const ImportBatchId& id);
// Does nothing when the batch has ended.
[[nodiscard]] absl::Status FailBatch(pg::Tx& tx, const ImportBatchId& id, std::string_view message);

// The columns of BatchFromRow, of the table b.
extern const char* const kBatchColumns;
[[nodiscard]] absl::StatusOr<ImportBatch> BatchFromRow(const pg::Row& row);

// NOT_FOUND (IMPORT_BATCH_NOT_FOUND). ReadBatch leaves the counts by outcome out, GetBatch adds up
// the records for them.
[[nodiscard]] absl::StatusOr<ImportBatch> ReadBatch(pg::Tx& tx, const ImportBatchId& id);
[[nodiscard]] absl::StatusOr<ImportBatch> GetBatch(pg::Tx& tx, const ImportBatchId& id);

// Orders that exist already for sales of one set.
struct KnownOrder {
  std::optional<OrderId> by_external_id;
  std::optional<OrderId> by_number;
};
// One entry for each sale, in order.
[[nodiscard]] absl::StatusOr<std::vector<KnownOrder>> FindKnownOrders(
    pg::Tx& tx, const Platform& platform, std::span<const ReportedSale* const> sales);

// A stored order, locked, with what merging needs.
struct StoredOrder {
  Order order;
  bool is_same_payload = false;
  std::optional<Purchase> purchase;
};
// Locks in the order of ids, so that two imports cannot deadlock. `payloads` belong to `ids`.
[[nodiscard]] absl::StatusOr<std::map<OrderId, StoredOrder>> LockOrders(
    pg::Tx& tx, std::span<const OrderId> ids, std::span<const std::string> payloads);

// Items that the catalog holds for an order although the order is for another one: an import had
// them resolved before it saw the order.
[[nodiscard]] absl::StatusOr<std::vector<std::pair<OrderId, InventoryItemId>>> FindSurplusItems(
    pg::Tx& tx, std::span<const OrderId> ids);

// Known purchases of the items; items without one are missing.
[[nodiscard]] absl::StatusOr<std::map<InventoryItemId, Purchase>> ReadPurchases(
    pg::Tx& tx, std::span<const InventoryItemId> items);

// One order to write.
struct OrderWrite {
  Order order;
  bool is_new = false;
  std::optional<OrderStatus> from_status;  // before the import; nullopt for a new order
  const ReportRow* row = nullptr;
  std::vector<std::pair<std::string, std::optional<std::string>>> previous;
};
// Writes new and changed orders and an event for each.
[[nodiscard]] absl::Status WriteOrders(pg::Tx& tx, const Platform& platform,
                                       const ImportBatchId& batch,
                                       std::span<const OrderWrite> writes);

// What became of one row.
struct RecordWrite {
  const ReportRow* row = nullptr;
  ImportOutcome outcome = ImportOutcome::kQuarantined;
  std::optional<OrderId> order;
  std::vector<Problem> problems;
};
[[nodiscard]] absl::Status WriteRecords(pg::Tx& tx, const ImportBatchId& batch,
                                        std::span<const RecordWrite> records);

}  // namespace lockstep::orders
