// The import of one report: bytes in, committed sets out.
//
// Rows are mapped while the file is read and written in sets, one catalog call and one transaction
// each. While one set commits, the next is resolved and the one after it is read: at most three
// sets are in memory, each bounded in rows and bytes.
#pragma once

#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/csv/parser.h"
#include "common/pg/pool.h"
#include "services/orders/catalog_client.h"
#include "services/orders/import_repository.h"
#include "services/orders/import_set.h"
#include "services/orders/stockx_report.h"

namespace lockstep::orders {

struct ImporterOptions {
  std::size_t set_size = 1000;  // 1..1000: what one call of the catalog takes
  // A set also ends with the row that brings what is kept of its rows to this many bytes.
  std::size_t set_bytes = std::size_t{4} << 20;
  // A batch without a sign of life for this long may be taken over. Each set is one, and so is
  // every third of it.
  absl::Duration lease = absl::Seconds(15);
  // Rows of one file at most: order numbers are remembered to find repetitions, 16 bytes each.
  std::int64_t max_rows = 1'000'000;
};

// What an import needs; everything outlives it.
struct ImportParts {
  pg::Pool& pool;
  Catalog& catalog;
  std::function<void()> notify;  // called after commits that wrote events
};

// One import. Used by one thread.
class Importer {
 public:
  // `file_name` is for people. `may_begin` (may be empty) is asked in the transaction that opens
  // the batch, when no other import of the platform runs any more; an error from it ends the import
  // before it began.
  Importer(ImportParts parts, ImporterOptions options, Context context, Platform platform,
           std::string file_name, std::function<absl::Status(pg::Tx&)> may_begin);
  ~Importer();
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;

  // Takes the next bytes of the file. The batch is opened when the column names have been accepted.
  // After an error the batch is failed; committed sets stay.
  [[nodiscard]] absl::Status Feed(std::string_view chunk);
  // The file is complete: commits the last set, then runs `in_transaction` (may be empty) in the
  // transaction that completes the batch.
  [[nodiscard]] absl::Status Finish(
      const std::function<absl::Status(pg::Tx&, const ImportBatch&)>& in_transaction);
  // Ends the batch as failed with `reason`, when there is one that has not ended. A set that is on
  // its way still commits if it can: the catalog keeps its items already.
  void Fail(const absl::Status& reason);

  // Set once the batch is open.
  const std::optional<ImportBatchId>& batch() const { return batch_; }

 private:
  [[nodiscard]] absl::Status OnRow(const csv::Row& row);
  [[nodiscard]] absl::Status Open(const csv::Row& row);
  // Sends the collected rows on their way: begins to resolve them, and to commit the set before
  // them.
  [[nodiscard]] absl::Status Flush();
  // Begins to commit the set that was resolved, if any.
  [[nodiscard]] absl::Status StartCommit();
  // Waits for the set that commits, if any.
  [[nodiscard]] absl::Status AwaitCommit();
  // Shows that this import lives, when no set did for a while.
  [[nodiscard]] absl::Status StayAlive();
  // Marks a repetition within the file.
  void CheckRepeated(ReportRow& row);

  const ImportParts parts_;
  const ImporterOptions options_;
  const Context context_;
  const Platform platform_;
  const std::string file_name_;
  const std::function<absl::Status(pg::Tx&)> may_begin_;

  csv::Parser parser_;
  std::optional<StockxReport> report_;
  std::optional<ImportBatchId> batch_;
  bool has_ended_ = false;
  std::vector<ReportRow> rows_;
  std::size_t row_bytes_ = 0;  // of what is kept of rows_
  std::int64_t row_count_ = 0;
  // Two hashes of each external id: 128 bits, so that a collision does not happen.
  absl::flat_hash_set<std::pair<std::size_t, std::size_t>> seen_;
  absl::Time last_sign_ = absl::InfinitePast();
  ImportCounts counts_;
  std::future<absl::StatusOr<PreparedSet>> prepare_;
  std::future<absl::StatusOr<ImportCounts>> commit_;
};

}  // namespace lockstep::orders
