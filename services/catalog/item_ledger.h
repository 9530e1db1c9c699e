// Which order holds which unit of which item, and what that means for the items' status (domain.md
// 2.9, 6.6). Pure: a repository loads the items and claims that a change touches, and saves what
// became of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/uuid.h"

namespace lockstep::catalog {

enum class ItemStatus {
  kInStock,
  kListedStockx,
  kListedAlias,
  kListedEbay,
  kListedGoat,
  kListedGrailed,
  kReserved,
  kPresale,
  kPreorder,
  kSold,
  kCancelled,
  kError,
};

// "in_stock": the text of the column.
[[nodiscard]] std::string_view ToText(ItemStatus status);
[[nodiscard]] std::optional<ItemStatus> ItemStatusFromText(std::string_view text);

// in_stock or listed: imports may match it by SKU and size.
[[nodiscard]] bool IsAvailable(ItemStatus status);
// An order may take a free unit: available, presale, preorder, or reserved for other units.
[[nodiscard]] bool CanBeTaken(ItemStatus status);
// Steps that people make; sold and reserved are left to orders, cancelled is final.
[[nodiscard]] bool CanFollow(ItemStatus from, ItemStatus to);

// Days from purchase to sale in UTC (F7); nothing when the purchase is unknown or later than the
// sale.
[[nodiscard]] std::optional<int> ShelfLifeDays(std::optional<absl::Time> purchased,
                                               std::optional<absl::Time> sold);

// An order by its id, by platform and external id, or by both; at least one of them.
struct OrderRef {
  std::optional<ids::Uuid> order_id;
  std::optional<ids::Uuid> platform_id;  // goes with external_order_id
  std::string external_order_id;
};

struct LedgerItem {
  ids::Uuid id;
  ItemStatus status = ItemStatus::kInStock;
  int quantity = 1;
  std::optional<absl::Time> purchase_date;
  std::optional<int> shelf_life_days;
  bool is_made_up = false;  // a placeholder that nobody has completed
  bool is_changed = false;
};

// One unit held by one order.
struct Claim {
  std::int64_t id = 0;  // 0: not stored yet
  ids::Uuid item_id;
  OrderRef order;
  bool is_sold = false;
  std::optional<absl::Time> sold_at;
  bool is_changed = false;
  bool is_deleted = false;
};

// Not thread-safe. Every claim of every item in it must be loaded, and the claims of the orders
// that are asked for.
class ItemLedger {
 public:
  void AddItem(LedgerItem item);
  void AddClaim(Claim claim);

  // Keeps a unit for the order; returns false when it holds one already. FAILED_PRECONDITION:
  // ITEM_SOLD, ITEM_RESERVED, ITEM_NOT_AVAILABLE, ORDER_HOLDS_OTHER_ITEM. NOT_FOUND:
  // ITEM_NOT_FOUND.
  [[nodiscard]] absl::StatusOr<bool> Reserve(const ids::Uuid& item_id, const OrderRef& order);
  // The same, and the unit is sold. Returns false when it was sold to this order already. A unit
  // that was sold before claims were recorded becomes the order's: it says that the sale was its
  // own, and nobody else does. When other orders hold every unit, the newest reservation gives way:
  // a sale is a fact. A reservation that may be this order's own under its other key does not.
  [[nodiscard]] absl::StatusOr<bool> MarkSold(const ids::Uuid& item_id, const OrderRef& order,
                                              absl::Time sold_at);
  // Gives back what the order holds of the item. Returns false when there is nothing to give back.
  // A made-up item goes with the sale that it was made for: without one there is no unit, and it is
  // cancelled. An item that was sold before claims were recorded is given back by an order that
  // `was_completed`: one that never sold anything must not undo the sale of another.
  [[nodiscard]] absl::StatusOr<bool> Release(const ids::Uuid& item_id, const OrderRef& order,
                                             bool was_completed);
  // Another number of units. FAILED_PRECONDITION: ITEM_SOLD, QUANTITY_BELOW_ORDERS.
  [[nodiscard]] absl::Status SetQuantity(const ids::Uuid& item_id, int quantity);
  // A step that people make. FAILED_PRECONDITION: TRANSITION_NOT_ALLOWED, also to cancelled,
  // presale or preorder while orders hold some of the units: those are here, or were sold.
  [[nodiscard]] absl::Status MoveTo(const ids::Uuid& item_id, ItemStatus status);

  // Units that no order holds.
  int FreeUnits(const ids::Uuid& item_id) const;
  int HeldUnits(const ids::Uuid& item_id) const;

  const std::map<ids::Uuid, LedgerItem>& items() const { return items_; }
  const std::vector<Claim>& claims() const { return claims_; }

 private:
  [[nodiscard]] absl::StatusOr<LedgerItem*> Find(const ids::Uuid& item_id);
  // The order's claim, with the keys of `order` that it lacked; a new one when it has none. Units
  // of a sold item that nobody holds are taken only if `may_adopt`.
  [[nodiscard]] absl::StatusOr<Claim*> Hold(LedgerItem& item, const OrderRef& order,
                                            bool may_adopt);
  // Drops the newest reservation of another order when `item` has no free unit for `order`.
  void GiveWay(const LedgerItem& item, const OrderRef& order);
  // Whether `item` may get another claim.
  [[nodiscard]] absl::Status CheckFree(const LedgerItem& item, bool may_adopt) const;
  // Brings the item's status in line with its claims.
  void Settle(LedgerItem& item, std::optional<absl::Time> sold_at);
  // Positions of the claims that share a key with `order`: none, one, or two when its keys
  // disagree.
  std::vector<std::size_t> ClaimsOf(const OrderRef& order) const;
  void Index(std::size_t position);
  template <typename Predicate>
  int CountClaims(const ids::Uuid& item_id, Predicate predicate) const;

  std::map<ids::Uuid, LedgerItem> items_;
  std::vector<Claim> claims_;
  // Positions in claims_.
  std::map<ids::Uuid, std::vector<std::size_t>> by_item_;
  std::map<ids::Uuid, std::size_t> by_order_;
  std::map<std::pair<ids::Uuid, std::string>, std::size_t> by_external_;
};

}  // namespace lockstep::catalog
