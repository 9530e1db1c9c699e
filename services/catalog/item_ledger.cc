#include "services/catalog/item_ledger.h"

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;

// In the order of the enumeration.
constexpr std::array<std::string_view, 12> kStatusTexts = {
    "in_stock", "listed_stockx", "listed_alias", "listed_ebay", "listed_goat", "listed_grailed",
    "reserved", "presale",       "preorder",     "sold",        "cancelled",   "error"};

ErrorBuilder ItemError(absl::StatusCode code, std::string_view reason, std::string_view message,
                       const Uuid& item_id) {
  return Error(code, reason, message).With("item", "inventoryItems/" + item_id.text());
}

// Whether the two certainly are different orders: they have a key in common, and it differs.
bool AreDistinct(const OrderRef& left, const OrderRef& right) {
  if (left.order_id.has_value() && right.order_id.has_value()) {
    return left.order_id != right.order_id;
  }
  return left.platform_id.has_value() && right.platform_id.has_value() &&
         (left.platform_id != right.platform_id ||
          left.external_order_id != right.external_order_id);
}

}  // namespace

std::string_view ToText(ItemStatus status) {
  return kStatusTexts.at(static_cast<std::size_t>(status));
}

std::optional<ItemStatus> ItemStatusFromText(std::string_view text) {
  const auto* found = std::ranges::find(kStatusTexts, text);
  if (found == kStatusTexts.end()) return std::nullopt;
  return static_cast<ItemStatus>(found - kStatusTexts.begin());
}

bool IsAvailable(ItemStatus status) {
  return status == ItemStatus::kInStock ||
         (status >= ItemStatus::kListedStockx && status <= ItemStatus::kListedGrailed);
}

bool CanBeTaken(ItemStatus status) {
  return IsAvailable(status) || status == ItemStatus::kPresale || status == ItemStatus::kPreorder ||
         status == ItemStatus::kReserved;
}

bool CanFollow(ItemStatus from, ItemStatus to) {
  const bool is_coming = from == ItemStatus::kPresale || from == ItemStatus::kPreorder;
  const bool is_usable = IsAvailable(from) || is_coming || from == ItemStatus::kError;
  if (!is_usable) return false;
  if (IsAvailable(to) || to == ItemStatus::kCancelled || to == ItemStatus::kError) return true;
  // Goods that are here are not expected any more; an error may have hidden either.
  const bool may_be_coming =
      is_coming || from == ItemStatus::kError || from == ItemStatus::kInStock;
  return may_be_coming && (to == ItemStatus::kPresale || to == ItemStatus::kPreorder);
}

std::optional<int> ShelfLifeDays(std::optional<absl::Time> purchased,
                                 std::optional<absl::Time> sold) {
  if (!purchased.has_value() || !sold.has_value()) return std::nullopt;
  const std::int64_t days = time::DaysBetween(time::DayOf(*purchased), time::DayOf(*sold));
  if (days < 0) return std::nullopt;
  return static_cast<int>(days);
}

void ItemLedger::AddItem(LedgerItem item) {
  const Uuid id = item.id;
  items_.emplace(id, std::move(item));
}

void ItemLedger::AddClaim(Claim claim) {
  claims_.push_back(std::move(claim));
  by_item_[claims_.back().item_id].push_back(claims_.size() - 1);
  Index(claims_.size() - 1);
}

void ItemLedger::Index(std::size_t position) {
  const OrderRef& order = claims_[position].order;
  if (order.order_id.has_value()) by_order_[*order.order_id] = position;
  if (order.platform_id.has_value()) {
    by_external_[{*order.platform_id, order.external_order_id}] = position;
  }
}

template <typename Predicate>
int ItemLedger::CountClaims(const Uuid& item_id, Predicate predicate) const {
  const auto found = by_item_.find(item_id);
  if (found == by_item_.end()) return 0;
  return static_cast<int>(std::ranges::count_if(found->second, [&](std::size_t position) {
    return !claims_[position].is_deleted && predicate(claims_[position]);
  }));
}

int ItemLedger::HeldUnits(const Uuid& item_id) const {
  return CountClaims(item_id, [](const Claim&) { return true; });
}

int ItemLedger::FreeUnits(const Uuid& item_id) const {
  const auto found = items_.find(item_id);
  if (found == items_.end()) return 0;
  return std::max(0, found->second.quantity - HeldUnits(item_id));
}

std::vector<std::size_t> ItemLedger::ClaimsOf(const OrderRef& order) const {
  std::vector<std::size_t> found;
  const auto add = [&](std::size_t position) {
    if (!claims_[position].is_deleted && (found.empty() || found.front() != position)) {
      found.push_back(position);
    }
  };
  if (order.order_id.has_value()) {
    const auto entry = by_order_.find(*order.order_id);
    if (entry != by_order_.end()) add(entry->second);
  }
  if (order.platform_id.has_value()) {
    const auto entry = by_external_.find({*order.platform_id, order.external_order_id});
    if (entry != by_external_.end()) add(entry->second);
  }
  return found;
}

absl::StatusOr<LedgerItem*> ItemLedger::Find(const Uuid& item_id) {
  const auto found = items_.find(item_id);
  if (found == items_.end()) {
    return ItemError(absl::StatusCode::kNotFound, "ITEM_NOT_FOUND", "there is no such item",
                     item_id);
  }
  return &found->second;
}

void ItemLedger::GiveWay(const LedgerItem& item, const OrderRef& order) {
  const auto held = by_item_.find(item.id);
  if (!CanBeTaken(item.status) || FreeUnits(item.id) > 0 || held == by_item_.end()) return;
  // The claims were loaded and added in the order in which they were made.
  for (const std::size_t position : std::views::reverse(held->second)) {
    Claim& claim = claims_[position];
    if (claim.is_deleted || claim.is_sold || !AreDistinct(claim.order, order)) continue;
    claim.is_deleted = true;
    return;
  }
}

absl::Status ItemLedger::CheckFree(const LedgerItem& item, bool may_adopt) const {
  const bool is_sold = item.status == ItemStatus::kSold;
  const bool is_adopted = is_sold && may_adopt && FreeUnits(item.id) > 0;
  if (is_sold && !is_adopted) {
    return ItemError(absl::StatusCode::kFailedPrecondition, "ITEM_SOLD",
                     "the item is sold to another order", item.id);
  }
  if (!is_sold && !CanBeTaken(item.status)) {
    return ItemError(absl::StatusCode::kFailedPrecondition, "ITEM_NOT_AVAILABLE",
                     "an item in this status cannot be sold", item.id)
        .With("status", ToText(item.status));
  }
  if (FreeUnits(item.id) == 0) {
    return ItemError(absl::StatusCode::kFailedPrecondition, "ITEM_RESERVED",
                     "other orders hold every unit of the item", item.id);
  }
  return absl::OkStatus();
}

absl::StatusOr<Claim*> ItemLedger::Hold(LedgerItem& item, const OrderRef& order, bool may_adopt) {
  const std::vector<std::size_t> found = ClaimsOf(order);
  for (const std::size_t position : found) {
    // Two claims mean that the two keys of the order were used for two units.
    if (claims_[position].item_id == item.id && found.size() == 1) continue;
    return ItemError(absl::StatusCode::kFailedPrecondition, "ORDER_HOLDS_OTHER_ITEM",
                     "the order holds another unit; release that one first", item.id)
        .With("other_item", "inventoryItems/" + claims_[position].item_id.text());
  }
  if (!found.empty()) {
    Claim& claim = claims_[found.front()];
    if (!claim.order.order_id.has_value() && order.order_id.has_value()) {
      claim.order.order_id = order.order_id;
      claim.is_changed = true;
    }
    if (!claim.order.platform_id.has_value() && order.platform_id.has_value()) {
      claim.order.platform_id = order.platform_id;
      claim.order.external_order_id = order.external_order_id;
      claim.is_changed = true;
    }
    Index(found.front());
    return &claim;
  }
  RETURN_IF_ERROR(CheckFree(item, may_adopt));
  Claim claim;
  claim.item_id = item.id;
  claim.order = order;
  claim.is_changed = true;
  AddClaim(std::move(claim));
  return &claims_.back();
}

void ItemLedger::Settle(LedgerItem& item, std::optional<absl::Time> sold_at) {
  const int sold = CountClaims(item.id, [](const Claim& claim) { return claim.is_sold; });
  ItemStatus status = item.status;
  std::optional<int> shelf_life = item.shelf_life_days;
  if (sold >= item.quantity && item.quantity > 0) {
    status = ItemStatus::kSold;
    if (item.status != ItemStatus::kSold) shelf_life = ShelfLifeDays(item.purchase_date, sold_at);
  } else {
    shelf_life.reset();
    if (FreeUnits(item.id) == 0 && HeldUnits(item.id) > 0) {
      status = ItemStatus::kReserved;
    } else if (status == ItemStatus::kReserved || status == ItemStatus::kSold) {
      status = ItemStatus::kInStock;
    }
  }
  if (status == item.status && shelf_life == item.shelf_life_days) return;
  item.status = status;
  item.shelf_life_days = shelf_life;
  item.is_changed = true;
}

absl::StatusOr<bool> ItemLedger::Reserve(const Uuid& item_id, const OrderRef& order) {
  ASSIGN_OR_RETURN(LedgerItem * item, Find(item_id));
  ASSIGN_OR_RETURN(Claim * claim, Hold(*item, order, /*may_adopt=*/false));
  // A claim that was there may have been completed with the order's other key; the unit is the
  // same.
  if (claim->id != 0) return false;
  Settle(*item, std::nullopt);
  return true;
}

absl::StatusOr<bool> ItemLedger::MarkSold(const Uuid& item_id, const OrderRef& order,
                                          absl::Time sold_at) {
  ASSIGN_OR_RETURN(LedgerItem * item, Find(item_id));
  if (ClaimsOf(order).empty()) GiveWay(*item, order);
  ASSIGN_OR_RETURN(Claim * claim, Hold(*item, order, /*may_adopt=*/true));
  if (claim->is_sold) return false;
  claim->is_sold = true;
  claim->sold_at = sold_at;
  claim->is_changed = true;
  // A sold item stays so, with the shelf life of its sale, whatever its claims cover.
  if (item->status != ItemStatus::kSold) Settle(*item, sold_at);
  return true;
}

absl::StatusOr<bool> ItemLedger::Release(const Uuid& item_id, const OrderRef& order,
                                         bool was_completed) {
  ASSIGN_OR_RETURN(LedgerItem * item, Find(item_id));
  for (const std::size_t position : ClaimsOf(order)) {
    if (claims_[position].item_id != item_id) continue;
    claims_[position].is_deleted = true;
    Settle(*item, std::nullopt);
    if (item->is_made_up && !was_completed && HeldUnits(item_id) == 0) {
      item->status = ItemStatus::kCancelled;
      item->is_changed = true;
    }
    return true;
  }
  if (was_completed && item->status == ItemStatus::kSold && HeldUnits(item_id) == 0) {
    Settle(*item, std::nullopt);
    return true;
  }
  return false;
}

absl::Status ItemLedger::SetQuantity(const Uuid& item_id, int quantity) {
  ASSIGN_OR_RETURN(LedgerItem * item, Find(item_id));
  if (item->quantity == quantity) return absl::OkStatus();
  if (item->status == ItemStatus::kSold) {
    return ItemError(absl::StatusCode::kFailedPrecondition, "ITEM_SOLD",
                     "a sold item keeps its quantity", item_id);
  }
  const int held = HeldUnits(item_id);
  if (quantity < held) {
    return ItemError(absl::StatusCode::kFailedPrecondition, "QUANTITY_BELOW_ORDERS",
                     "orders hold more units than would be left", item_id)
        .With("held_units", held);
  }
  item->quantity = quantity;
  item->is_changed = true;
  if (held > 0) Settle(*item, std::nullopt);
  return absl::OkStatus();
}

absl::Status ItemLedger::MoveTo(const Uuid& item_id, ItemStatus status) {
  ASSIGN_OR_RETURN(LedgerItem * item, Find(item_id));
  if (item->status == status && status != ItemStatus::kReserved && status != ItemStatus::kSold) {
    return absl::OkStatus();
  }
  const bool is_forgotten = item->status == ItemStatus::kReserved && HeldUnits(item_id) == 0 &&
                            CanFollow(ItemStatus::kInStock, status);
  if (!is_forgotten && !CanFollow(item->status, status)) {
    return ItemError(absl::StatusCode::kFailedPrecondition, "TRANSITION_NOT_ALLOWED",
                     "the item cannot go from its status to this one", item_id)
        .With("from", ToText(item->status))
        .With("to", ToText(status));
  }
  const int held = HeldUnits(item_id);
  if (held > 0 && (status == ItemStatus::kCancelled || status == ItemStatus::kPresale ||
                   status == ItemStatus::kPreorder)) {
    return ItemError(absl::StatusCode::kFailedPrecondition, "TRANSITION_NOT_ALLOWED",
                     "orders hold units of the item; release them first", item_id)
        .With("to", ToText(status))
        .With("held_units", held);
  }
  item->status = status;
  item->is_changed = true;
  return absl::OkStatus();
}

}  // namespace lockstep::catalog
