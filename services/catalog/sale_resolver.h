// ResolveSoldItems: finds or creates the item behind each sale of a batch, in one transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/ids/uuid.h"
#include "common/pg/pool.h"
#include "services/catalog/sale_matching.h"
#include "services/catalog/size.h"

namespace lockstep::catalog {

// One sale, checked and normalised.
struct Sale {
  std::string platform;           // slug
  std::string external_order_id;  // "<slug>_<number>"; unique in a batch together with the platform
  std::string listing_id;         // "" when not known
  std::string sku;
  ParsedSize size;
  std::string item_name;
  absl::Time sold_at;
  std::optional<ids::Uuid> known_item;
};

struct SoldItem {
  ids::Uuid item_id;
  Match match = Match::kNone;
  ItemFacts facts;
};

// Thread-safe.
class SaleResolver final {
 public:
  explicit SaleResolver(pg::Pool& pool) : pool_(pool) {}

  // One result for each sale, in the same order. Repeating it gives the same items. NOT_FOUND:
  // PLATFORM_NOT_FOUND, ITEM_NOT_FOUND (a known item that does not exist).
  [[nodiscard]] absl::StatusOr<std::vector<SoldItem>> Resolve(const Context& context,
                                                              const std::vector<Sale>& sales);

 private:
  pg::Pool& pool_;
};

}  // namespace lockstep::catalog
