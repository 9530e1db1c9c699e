// What orders need of the catalog service, as an interface, so that tests can stand in for it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "services/orders/order.h"
#include "services/orders/reported_sale.h"

namespace grpc {
class Channel;
}

namespace lockstep::orders {

// The item behind one sale.
struct ResolvedItem {
  InventoryItemId item;
  // Made for this very sale just now: sold to it already, and nobody knows its purchase.
  bool is_made_for_sale = false;
};

// One change of an item on behalf of an order.
struct ItemChange {
  ItemEffect effect = ItemEffect::kNone;
  std::string event_id;  // applied once
  InventoryItemId item;
  OrderId order;
  std::string platform_slug;
  std::string external_id;  // empty when the order has none
  std::optional<absl::Time> sold_at;
};

// Thread-safe.
class Catalog {
 public:
  virtual ~Catalog() = default;

  // Finds or makes the item behind each of at most 1,000 sales, in their order. Repeating it gives
  // the same items. UNAVAILABLE (CATALOG_UNREACHABLE) when the catalog does not answer.
  [[nodiscard]] virtual absl::StatusOr<std::vector<ResolvedItem>> ResolveSoldItems(
      const Context& context, std::string_view platform_slug,
      std::span<const ReportedSale* const> sales) = 0;

  // Keeps a unit for one order. FAILED_PRECONDITION when there is none to keep.
  [[nodiscard]] virtual absl::Status ReserveItem(const Context& context,
                                                 const ItemChange& change) = 0;

  // Marks items as sold; one status for each change, in order.
  [[nodiscard]] virtual std::vector<absl::Status> MarkSold(const Context& context,
                                                           std::span<const ItemChange> changes) = 0;

  // Gives the unit of one order back (kReleased, kReturned).
  [[nodiscard]] virtual absl::Status ReleaseItem(const Context& context,
                                                 const ItemChange& change) = 0;
};

// The catalog behind `channel`.
[[nodiscard]] std::unique_ptr<Catalog> MakeGrpcCatalog(std::shared_ptr<grpc::Channel> channel);

}  // namespace lockstep::orders
