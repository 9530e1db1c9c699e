#include "services/orders/order_commands.h"

#include <span>
#include <utility>

#include "common/outbox/outbox.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"
#include "services/orders/item_events.h"
#include "services/orders/json_text.h"
#include "services/orders/order_repository.h"
#include "services/orders/plumbing.h"
#include "services/orders/profit.h"
#include "services/orders/sold_units.h"

namespace lockstep::orders {
namespace {

constexpr absl::Duration kLatePayout = absl::Hours(24 * 90);

std::optional<std::string> OptionalId(const std::string& request_id) {
  if (request_id.empty()) return std::nullopt;
  return request_id;
}

// All amounts of an order share its currency.
absl::Status CheckCurrencies(const Order& order) {
  ErrorBuilder error(absl::StatusCode::kInvalidArgument, "CURRENCY_MISMATCH",
                     "all amounts of an order must be in its currency");
  bool is_bad = false;
  const auto check = [&](const std::optional<Money>& amount, const char* path) {
    if (!amount.has_value() || amount->currency() == order.currency) return;
    std::move(error).Field(path, "must be in " + order.currency.code());
    is_bad = true;
  };
  check(order.amount, "order.amount.currency_code");
  check(order.gross_sale, "order.gross_sale.currency_code");
  check(order.platform_fee, "order.platform_fee.currency_code");
  check(order.shipping_cost, "order.shipping_cost.currency_code");
  return is_bad ? error.ToStatus() : absl::OkStatus();
}

// The row as it is now: updated_at and what other tables say about it.
absl::StatusOr<Order> Reread(pg::Tx& tx, const OrderId& id) {
  return GetOrder(tx, id, RawData::kLeaveOut);
}

template <typename T>
void Apply(const std::optional<T>& change, T& value) {
  if (change.has_value()) value = *change;
}

// Notes are the only thing that a final order still takes.
bool IsNotesOnly(const OrderPatch& patch) {
  OrderPatch rest = patch;
  rest.notes.reset();
  return rest.Paths().empty();
}

absl::Status CheckListing(pg::Tx& tx, const std::optional<ListingId>& listing) {
  if (!listing.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::optional<pg::Row> row,
      tx.Maybe("SELECT 1 AS one FROM products.listings WHERE id = $1", listing->text()));
  if (row.has_value()) return absl::OkStatus();
  return InvalidField("order.listing", "LISTING_UNKNOWN", "there is no such listing");
}

bool ChangesFigures(const OrderPatch& patch) {
  return patch.gross_sale.has_value() || patch.platform_fee.has_value() ||
         patch.shipping_cost.has_value() || patch.sold_at.has_value();
}

}  // namespace

absl::StatusOr<Order> CreateOrder(pg::Tx& tx, Order draft, const std::string& request_id) {
  RETURN_IF_ERROR(ValidateTexts(draft));
  ASSIGN_OR_RETURN(Platform platform, FindPlatform(tx, draft.platform_slug, "order.platform"));
  ASSIGN_OR_RETURN(std::optional<Purchase> purchase, ReadPurchase(tx, draft.inventory_item_id));
  RETURN_IF_ERROR(CheckListing(tx, draft.listing_id));
  draft.id = OrderId::Generate();
  draft.status = OrderStatus::kPending;
  draft.payout_received = false;
  for (const std::optional<Money>* amount :
       {&draft.shipping_cost, &draft.platform_fee, &draft.amount, &draft.gross_sale}) {
    if (amount->has_value()) draft.currency = (*amount)->currency();
  }
  RETURN_IF_ERROR(CheckCurrencies(draft));
  if (draft.platform_slug == "stockx" && draft.external_id.has_value()) {
    draft.stockx_order_number = PlatformNumber(draft.platform_slug, *draft.external_id);
  }
  ASSIGN_OR_RETURN(Order order, WithProfit(std::move(draft), purchase));
  RETURN_IF_ERROR(InsertOrder(tx, order));
  RETURN_IF_ERROR(AppendEvent(tx, {.order_id = order.id,
                                   .kind = "created",
                                   .to_status = order.status,
                                   .request_id = OptionalId(request_id)}));
  RETURN_IF_ERROR(outbox::Append(tx, kPlumbing.outbox, ItemEvent(order, ItemEffect::kReserved)));
  return Reread(tx, order.id);
}

std::vector<std::string> OrderPatch::Paths() const {
  std::vector<std::string> paths;
  const auto add = [&](bool is_set, const char* path) {
    if (is_set) paths.emplace_back(path);
  };
  add(listing_id.has_value(), "listing");
  add(amount.has_value(), "amount");
  add(inventory_type.has_value(), "inventory_type");
  add(shipping_label_url.has_value(), "shipping_label_url");
  add(shipping_document_path.has_value(), "shipping_document_path");
  add(sold_at.has_value(), "sold_at");
  add(gross_sale.has_value(), "gross_sale");
  add(platform_fee.has_value(), "platform_fee");
  add(shipping_cost.has_value(), "shipping_cost");
  add(buyer_destination_country.has_value(), "buyer_destination_country");
  add(buyer_destination_city.has_value(), "buyer_destination_city");
  add(notes.has_value(), "notes");
  return paths;
}

absl::StatusOr<Order> UpdateOrder(pg::Tx& tx, const OrderId& id, const OrderPatch& patch,
                                  std::string_view etag, const std::string& request_id) {
  ASSIGN_OR_RETURN(Order order, GetOrderForUpdate(tx, id));
  RETURN_IF_ERROR(CheckEtag(order, etag));
  const std::vector<std::string> paths = patch.Paths();
  if (paths.empty()) return order;
  if (IsFinal(order.status) && !IsNotesOnly(patch)) {
    return Error(absl::StatusCode::kFailedPrecondition, "ORDER_STATUS_FINAL",
                 "only the notes of a cancelled, returned or refunded order can change")
        .With("order", id.text());
  }
  Apply(patch.listing_id, order.listing_id);
  Apply(patch.amount, order.amount);
  Apply(patch.inventory_type, order.inventory_type);
  Apply(patch.shipping_label_url, order.shipping_label_url);
  Apply(patch.shipping_document_path, order.shipping_document_path);
  Apply(patch.sold_at, order.sold_at);
  Apply(patch.gross_sale, order.gross_sale);
  Apply(patch.platform_fee, order.platform_fee);
  Apply(patch.shipping_cost, order.shipping_cost);
  Apply(patch.buyer_destination_country, order.buyer_destination_country);
  Apply(patch.buyer_destination_city, order.buyer_destination_city);
  Apply(patch.notes, order.notes);
  RETURN_IF_ERROR(ValidateTexts(order));
  RETURN_IF_ERROR(CheckCurrencies(order));
  if (patch.listing_id.has_value()) RETURN_IF_ERROR(CheckListing(tx, order.listing_id));
  if (order.status == OrderStatus::kCompleted && !order.sold_at.has_value()) {
    return InvalidField("order.sold_at", "SALE_TIME_MISSING", "a completed order needs a time");
  }
  if (patch.sold_at.has_value() && order.sold_at.has_value() && order.payout_date.has_value() &&
      *order.payout_date < *order.sold_at) {
    return InvalidField("order.sold_at", "PAYOUT_BEFORE_SALE", "must not be after the payout");
  }
  if (ChangesFigures(patch)) {
    ASSIGN_OR_RETURN(std::optional<Purchase> purchase, ReadPurchase(tx, order.inventory_item_id));
    // A payout that arrived is a fact; otherwise the proceeds follow from the figures (F3).
    if (order.payout_received != true) order.net_proceeds.reset();
    ASSIGN_OR_RETURN(order, WithProfit(std::move(order), purchase));
  }
  RETURN_IF_ERROR(SaveOrder(tx, order));
  JsonObject details;
  std::string fields;
  for (const std::string& path : paths) fields += (fields.empty() ? "" : ",") + path;
  details.Text("fields", fields);
  RETURN_IF_ERROR(AppendEvent(tx, {.order_id = id,
                                   .kind = "updated",
                                   .request_id = OptionalId(request_id),
                                   .details = std::move(details).Finish()}));
  return Reread(tx, id);
}

absl::StatusOr<Order> TransitionOrder(pg::Tx& tx, const OrderId& id, OrderStatus to,
                                      std::string_view reason, std::string_view etag,
                                      const std::string& request_id) {
  ASSIGN_OR_RETURN(Order before, GetOrderForUpdate(tx, id));
  RETURN_IF_ERROR(CheckEtag(before, etag));
  ASSIGN_OR_RETURN(Order after, Transition(before, to));
  if (after.status == before.status) return before;
  ASSIGN_OR_RETURN(const bool has_been_completed, HasBeenCompleted(tx, before));
  const ItemEffect effect = EffectOf(before.status, after.status, has_been_completed);
  if (effect == ItemEffect::kSold) {
    ASSIGN_OR_RETURN(UnsoldUnits unsold,
                     UnsoldUnits::Lock(tx, std::span(&after.inventory_item_id, 1), id));
    RETURN_IF_ERROR(unsold.Take(after));
  }
  RETURN_IF_ERROR(SaveOrder(tx, after));
  JsonObject details;
  if (!reason.empty()) details.Text("reason", reason);
  RETURN_IF_ERROR(AppendEvent(tx, {.order_id = id,
                                   .kind = "transitioned",
                                   .from_status = before.status,
                                   .to_status = after.status,
                                   .request_id = OptionalId(request_id),
                                   .details = std::move(details).Finish()}));
  if (effect != ItemEffect::kNone) {
    RETURN_IF_ERROR(outbox::Append(tx, kPlumbing.outbox, ItemEvent(after, effect)));
  }
  return Reread(tx, id);
}

absl::StatusOr<RecordedPayoutResult> RecordPayout(pg::Tx& tx, const OrderId& id,
                                                  const Payout& payout, std::string_view etag,
                                                  const std::string& request_id) {
  ASSIGN_OR_RETURN(Order order, GetOrderForUpdate(tx, id));
  ASSIGN_OR_RETURN(const std::vector<RecordedPayout> recorded, ReadPayouts(tx, id));
  for (const RecordedPayout& earlier : recorded) {
    // The same call again is fine, whatever the etag: its first run changed it.
    if (earlier.reference == payout.reference && earlier.amount == payout.amount.ToDecimalText() &&
        earlier.currency == payout.amount.currency().code() &&
        earlier.payout_date == payout.payout_date) {
      return RecordedPayoutResult{.order = order, .difference = std::nullopt, .warnings = {}};
    }
  }
  if (!recorded.empty()) {
    return Error(absl::StatusCode::kAlreadyExists, "PAYOUT_RECORDED",
                 "another payout is recorded for this order")
        .With("order", id.text())
        .With("reference", recorded.back().reference);
  }
  RETURN_IF_ERROR(CheckEtag(order, etag));
  if (order.status == OrderStatus::kCancelled) {
    return Error(absl::StatusCode::kFailedPrecondition, "ORDER_NOT_PAYABLE",
                 "a cancelled order has no payout")
        .With("order", id.text());
  }
  if (payout.amount.currency() != order.currency) {
    return InvalidField("amount.currency_code", "CURRENCY_MISMATCH",
                        "the order is in " + order.currency.code());
  }
  if (order.sold_at.has_value() && payout.payout_date < *order.sold_at) {
    return InvalidField("payout_date", "PAYOUT_BEFORE_SALE", "must not be before the sale");
  }
  RecordedPayoutResult result;
  if (order.sold_at.has_value() && payout.payout_date - *order.sold_at > kLatePayout) {
    result.warnings.emplace_back("PAYOUT_LATE");
  }
  if (!order.net_proceeds.has_value()) {
    order.net_proceeds = payout.amount;
    ASSIGN_OR_RETURN(std::optional<Purchase> purchase, ReadPurchase(tx, order.inventory_item_id));
    ASSIGN_OR_RETURN(order, WithProfit(std::move(order), purchase));
  } else if (*order.net_proceeds != payout.amount) {
    ASSIGN_OR_RETURN(result.difference, money::Subtract(payout.amount, *order.net_proceeds));
    if (std::abs(result.difference->minor()) > 1) result.warnings.emplace_back("PAYOUT_DIFFERS");
  }
  JsonObject details;
  // Orders of the legacy data have a payout without an event that would tell of it.
  if (order.payout_date.has_value() && order.payout_date != payout.payout_date) {
    details.Text("previous_payout_date", time::FormatRfc3339(*order.payout_date));
  }
  order.payout_received = true;
  order.payout_date = payout.payout_date;
  RETURN_IF_ERROR(SaveOrder(tx, order));
  details.Text("amount", payout.amount.ToDecimalText())
      .Text("currency", payout.amount.currency().code())
      .Text("payout_date", time::FormatRfc3339(payout.payout_date));
  if (result.difference.has_value()) {
    details.Text("difference", result.difference->ToDecimalText());
  }
  RETURN_IF_ERROR(AppendEvent(tx, {.order_id = id,
                                   .kind = "payout",
                                   .reference = payout.reference,
                                   .request_id = OptionalId(request_id),
                                   .details = std::move(details).Finish()}));
  ASSIGN_OR_RETURN(result.order, Reread(tx, id));
  return result;
}

}  // namespace lockstep::orders
