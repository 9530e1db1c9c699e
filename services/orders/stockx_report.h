// The StockX seller report: a CSV of 44 columns, one row for each payout (domain.md 7.1).
//
// `StockxReport` is made from the line with the column names and maps rows to sales. The payout is
// authoritative: the platform fee is price - shipping - payout, because parts are missing in some
// rows and rounded in others. "N/A" means unknown. Pure; keeps no row.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/orders/reported_sale.h"

namespace lockstep::orders {

class StockxReport {
 public:
  // Finds the columns by name, in any order; unknown ones are ignored. INVALID_ARGUMENT:
  // REPORT_COLUMNS_MISSING (metadata `missing_columns`, separated by commas),
  // REPORT_COLUMN_REPEATED.
  [[nodiscard]] static absl::StatusOr<StockxReport> FromHeader(
      std::span<const std::string_view> names);

  // Maps one row. A row that cannot be a sale has every problem listed.
  [[nodiscard]] ReportRow Map(std::span<const std::string_view> fields, std::int64_t line) const;

 private:
  enum Column : std::size_t;
  class RowReader;

  StockxReport() = default;

  std::size_t field_count_ = 0;
  std::array<std::size_t, 20> used_{};  // index in the file for each Column
  // Columns whose text is kept, with their index. Names, addresses and tax numbers of people are
  // not among them.
  std::vector<std::pair<std::string, std::size_t>> kept_;
};

}  // namespace lockstep::orders
