// Decides which item is behind which reported sale (domain.md 6.3). Pure: candidates go in,
// decisions come out. No score, no partial ids: every rule is an equality.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids/uuid.h"
#include "services/catalog/item_ledger.h"

namespace lockstep::catalog {

// What is known of an item that a sale may have taken.
struct ItemFacts {
  ItemStatus status = ItemStatus::kInStock;
  int free_units = 0;
  std::optional<absl::Time> purchase_date;
  std::optional<std::string> purchase_price;  // net, EUR, as numeric text
  bool is_placeholder = false;
};

enum class Match { kNone, kKnown, kListing, kExternalId, kSkuSize, kPlaceholder };

struct SaleCandidates {
  absl::Time sold_at;
  std::optional<ids::Uuid> resolved_item;  // by an earlier call
  std::optional<ids::Uuid> known_item;     // by the caller
  std::vector<ids::Uuid> by_listing;       // items of own listings with the sale's listing id
  std::vector<ids::Uuid> by_order_number;  // items that carry the sale's order number
  std::vector<ids::Uuid> by_listing_id;    // items that carry the sale's listing id
  // Position in the groups of free items with the sale's SKU and size.
  std::optional<std::size_t> group;
};

struct SaleDecision {
  Match match = Match::kNone;  // kNone: a placeholder is needed
  ids::Uuid item_id;
  // The sale holds a unit from now on. False when it did before, or when the item that the caller
  // knows is taken by others according to our records.
  bool takes_unit = false;
};

// `groups` list items with the oldest purchase first. Units are taken from `facts`. Exact
// references are settled for all sales before SKU and size, so that no sale loses its own item to a
// guess.
[[nodiscard]] std::vector<SaleDecision> MatchSales(
    const std::vector<SaleCandidates>& sales, const std::vector<std::vector<ids::Uuid>>& groups,
    std::map<ids::Uuid, ItemFacts>& facts);

}  // namespace lockstep::catalog
