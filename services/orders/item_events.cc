#include "services/orders/item_events.h"

#include <array>
#include <optional>
#include <utility>

#include "common/ids/resource_name.h"
#include "common/json/json.h"
#include "common/killpoint/killpoint.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"
#include "services/orders/json_text.h"

namespace lockstep::orders {
namespace {

absl::Status Malformed(const outbox::Event& event) {
  return Error(absl::StatusCode::kInvalidArgument, "EVENT_MALFORMED",
               "the event is not one that orders write")
      .With("event", event.event_id)
      .With("kind", event.kind);
}

struct EventKind {
  const char* kind;
  ItemEffect effect;
};
constexpr std::array<EventKind, 4> kKinds = {{{kItemReserved, ItemEffect::kReserved},
                                              {kItemSold, ItemEffect::kSold},
                                              {kItemReleased, ItemEffect::kReleased},
                                              {kItemReturned, ItemEffect::kReturned}}};

// "" for kNone.
const char* KindOf(ItemEffect effect) {
  for (const EventKind& known : kKinds) {
    if (known.effect == effect) return known.kind;
  }
  return "";
}

absl::Status Reserve(Catalog& catalog, const Context& context, const ItemChange& change) {
  absl::Status status = catalog.ReserveItem(context, change);
  if (status.code() != absl::StatusCode::kFailedPrecondition) return status;
  log::Warn("reservation_refused", {{"event_id", change.event_id},
                                    {"order", change.order.text()},
                                    {"item", change.item.text()},
                                    {"status", status}});
  return absl::OkStatus();
}

}  // namespace

outbox::NewEvent ItemEvent(const Order& order, ItemEffect effect) {
  outbox::NewEvent event;
  event.aggregate = ids::ResourceName("inventoryItems", order.inventory_item_id);
  event.kind = KindOf(effect);
  JsonObject payload;
  payload.Text("inventory_item", event.aggregate)
      .Text("order", ids::ResourceName("orders", order.id))
      .Text("platform", ids::ResourceName("platforms", order.platform_slug));
  if (order.external_id.has_value()) payload.Text("external_order_id", *order.external_id);
  if (order.sold_at.has_value()) payload.Text("sold_at", time::FormatRfc3339(*order.sold_at));
  event.payload = std::move(payload).Finish();
  return event;
}

absl::StatusOr<ItemChange> ParseItemEvent(const outbox::Event& event) {
  ItemChange change;
  for (const EventKind& known : kKinds) {
    if (event.kind == known.kind) change.effect = known.effect;
  }
  if (change.effect == ItemEffect::kNone) return Malformed(event);
  const nlohmann::json payload = nlohmann::json::parse(event.payload, nullptr, false);
  if (!payload.is_object()) return Malformed(event);
  const auto text = [&](const char* name) -> std::string {
    const auto it = payload.find(name);
    return it != payload.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  change.event_id = event.event_id;
  ASSIGN_OR_RETURN(change.item, ids::IdFromName<InventoryItemId>(text("inventory_item"),
                                                                 "inventoryItems", "payload"));
  ASSIGN_OR_RETURN(change.order, ids::IdFromName<OrderId>(text("order"), "orders", "payload"));
  ASSIGN_OR_RETURN(change.platform_slug,
                   ids::SlugFromName(text("platform"), "platforms", "payload"));
  change.external_id = text("external_order_id");
  if (const std::string sold_at = text("sold_at"); !sold_at.empty()) {
    ASSIGN_OR_RETURN(change.sold_at, time::ParseRfc3339(sold_at));
  }
  if (change.effect == ItemEffect::kSold && !change.sold_at.has_value()) return Malformed(event);
  return change;
}

outbox::DeliverBatch DeliverTo(Catalog& catalog) {
  return [&catalog](const Context& context, std::span<const outbox::Event> events) {
    std::vector<absl::Status> statuses(events.size());
    std::vector<ItemChange> sold;
    std::vector<std::size_t> sold_index;
    Killpoint("orders.dispatch.before_delivery");
    for (std::size_t i = 0; i < events.size(); ++i) {
      absl::StatusOr<ItemChange> change = ParseItemEvent(events[i]);
      if (!change.ok()) {
        statuses[i] = change.status();
      } else if (change->effect == ItemEffect::kSold) {
        sold.push_back(*std::move(change));
        sold_index.push_back(i);
      } else if (change->effect == ItemEffect::kReserved) {
        statuses[i] = Reserve(catalog, context, *change);
      } else {
        statuses[i] = catalog.ReleaseItem(context, *change);
      }
    }
    const std::vector<absl::Status> results = catalog.MarkSold(context, sold);
    for (std::size_t i = 0; i < results.size(); ++i) statuses[sold_index[i]] = results[i];
    Killpoint("orders.dispatch.after_delivery");
    return statuses;
  };
}

}  // namespace lockstep::orders
