// The SQL of reports. Sums are made by the database in numeric; everything is read in the caller's
// transaction, so that the lines of one report fit each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/ids/uuid.h"
#include "common/pg/pool.h"
#include "services/finance/statement.h"

namespace lockstep::finance {

// The id of the platform. INVALID_ARGUMENT (PLATFORM_UNKNOWN) on `field`.
[[nodiscard]] absl::StatusOr<ids::Uuid> FindPlatform(pg::Tx& tx, std::string_view slug,
                                                     std::string_view field);

// Everything that the statements of `range` need. With `platform` only what belongs to it, and no
// VAT, since purchases belong to none. OUT_OF_RANGE (MONEY_OVERFLOW); INTERNAL (INVARIANT_BROKEN)
// for a stored currency that nobody knows.
[[nodiscard]] absl::StatusOr<ReportSums> ReadReportSums(pg::Tx& tx, const DayRange& range,
                                                        const std::optional<ids::Uuid>& platform);

// Completed orders of one platform and currency.
struct PlatformSums {
  std::string slug, name;
  Currency currency = money::kEur;
  std::int64_t order_count = 0;
  std::optional<Money> revenue = {}, platform_fees = {}, shipping = {}, net_proceeds = {},
                       net_profit = {};
  std::int64_t missing_revenue = 0, missing_platform_fee = 0, missing_shipping = 0,
               missing_net_proceeds = 0, missing_net_profit = 0;
};
// By slug and currency code. Days are UTC; `end` does not count; nullopt is open.
[[nodiscard]] absl::StatusOr<std::vector<PlatformSums>> ReadPlatformSums(
    pg::Tx& tx, const std::optional<absl::CivilDay>& start,
    const std::optional<absl::CivilDay>& end);

}  // namespace lockstep::finance
