// The SQL of ResolveSoldItems: every function is one statement over whole columns, never one per
// row.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/uuid.h"
#include "common/pg/pool.h"
#include "services/catalog/sale_matching.h"

namespace lockstep::catalog {

// A text together with the position of its sale.
using Keyed = std::vector<std::pair<std::size_t, std::string>>;
// Item by position of the sale; a position may occur several times.
using FoundItems = std::vector<std::pair<std::size_t, ids::Uuid>>;
// Value and region.
using SizeKey = std::pair<std::string, std::string>;

// Ids by slug; those that do not exist are missing.
[[nodiscard]] absl::StatusOr<std::map<std::string, ids::Uuid>> FindPlatforms(
    pg::Tx& tx, const std::set<std::string>& slugs);
// One resolution at a time per platform: two imports of one report must not both create an item.
// Held until the transaction ends.
[[nodiscard]] absl::Status LockPlatforms(pg::Tx& tx, const std::set<std::string>& slugs);

// Items of sales that were resolved before. `platform_ids` and `external_ids` run in parallel.
[[nodiscard]] absl::StatusOr<FoundItems> FindResolved(pg::Tx& tx,
                                                      std::span<const std::string> platform_ids,
                                                      std::span<const std::string> external_ids);
// Items of own listings; `platform_ids` runs in parallel to `listing_ids`.
[[nodiscard]] absl::StatusOr<FoundItems> FindByListing(pg::Tx& tx,
                                                       std::span<const std::string> platform_ids,
                                                       const Keyed& listing_ids);
// Items with this value of external_ids.stockx_order_number or .stockx_listing_id.
[[nodiscard]] absl::StatusOr<FoundItems> FindByOrderNumber(pg::Tx& tx, const Keyed& numbers);
[[nodiscard]] absl::StatusOr<FoundItems> FindByListingId(pg::Tx& tx, const Keyed& listing_ids);

// Ids by SKU; those that do not exist are missing.
[[nodiscard]] absl::StatusOr<std::map<std::string, ids::Uuid>> FindProducts(
    pg::Tx& tx, const std::set<std::string>& skus);

// Ids by value and region, of every category.
[[nodiscard]] absl::StatusOr<std::map<SizeKey, std::vector<ids::Uuid>>> FindSizes(
    pg::Tx& tx, const std::set<SizeKey>& sizes);

// Free items of one product in one of some sizes, oldest purchase first, those without a purchase
// date last; of each size at most `limit` with a date and `limit` without.
struct ItemGroup {
  ids::Uuid product_id;
  std::vector<ids::Uuid> size_ids;
  int limit = 0;
};
[[nodiscard]] absl::StatusOr<std::vector<std::vector<ids::Uuid>>> FindAvailable(
    pg::Tx& tx, const std::vector<ItemGroup>& groups);

[[nodiscard]] absl::Status LockItems(pg::Tx& tx, const std::set<ids::Uuid>& item_ids);
// What is known of the items now; call it once they are locked. Those that do not exist are
// missing.
[[nodiscard]] absl::StatusOr<std::map<ids::Uuid, ItemFacts>> LoadFacts(
    pg::Tx& tx, const std::set<ids::Uuid>& item_ids);

struct NewProduct {
  std::string sku;
  std::string name;
  std::optional<std::string> brand_id;
};
// Inserts those that are not there, in the importers' category, and returns the ids of all.
[[nodiscard]] absl::StatusOr<std::map<std::string, ids::Uuid>> CreateProducts(
    pg::Tx& tx, const std::vector<NewProduct>& products);
// The same for sizes of any category.
[[nodiscard]] absl::StatusOr<std::map<SizeKey, ids::Uuid>> FindOrCreateSizes(
    pg::Tx& tx, const std::map<SizeKey, std::optional<std::string>>& sizes);

struct Placeholder {
  ids::Uuid id;
  ids::Uuid product_id;
  ids::Uuid size_id;
};
[[nodiscard]] absl::Status InsertPlaceholders(pg::Tx& tx, std::span<const Placeholder> items);

struct SaleClaim {
  ids::Uuid item_id;
  ids::Uuid platform_id;
  std::string external_order_id;
  bool is_sold = false;
  absl::Time sold_at;
};
// ABORTED (ORDER_CLAIMED_MEANWHILE), see ClaimError.
[[nodiscard]] absl::Status InsertClaims(pg::Tx& tx, std::span<const SaleClaim> claims);

[[nodiscard]] absl::Status MarkReserved(pg::Tx& tx, const std::set<ids::Uuid>& item_ids);

}  // namespace lockstep::catalog
