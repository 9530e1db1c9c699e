#include "services/orders/item_events.h"

#include "common/status/testing.h"
#include "common/time/time.h"
#include "gtest/gtest.h"

namespace lockstep::orders {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

Order Sold() {
  Order order;
  order.id = OrderId::Generate();
  order.inventory_item_id = InventoryItemId::Generate();
  order.platform_slug = "stockx";
  order.external_id = "stockx_1-\"2\"";
  order.sold_at = *time::ParseRfc3339("2024-03-01T12:30:00.5Z");
  return order;
}

outbox::Event Stored(const outbox::NewEvent& event) {
  return {.event_id = ids::Uuid::Generate().text(),
          .sequence = 1,
          .aggregate = event.aggregate,
          .kind = event.kind,
          .payload = event.payload,
          .created_at = absl::Now(),
          .attempts = 1};
}

TEST(ItemEvent, IsReadBackAsItWasWritten) {
  const Order order = Sold();
  for (const ItemEffect effect :
       {ItemEffect::kReserved, ItemEffect::kSold, ItemEffect::kReleased, ItemEffect::kReturned}) {
    const outbox::Event event = Stored(ItemEvent(order, effect));
    EXPECT_EQ(event.aggregate, "inventoryItems/" + order.inventory_item_id.text());
    ASSERT_OK_AND_ASSIGN(ItemChange change, ParseItemEvent(event));
    EXPECT_EQ(change.effect, effect);
    EXPECT_EQ(change.event_id, event.event_id);
    EXPECT_EQ(change.item, order.inventory_item_id);
    EXPECT_EQ(change.order, order.id);
    EXPECT_EQ(change.platform_slug, "stockx");
    EXPECT_EQ(change.external_id, *order.external_id);
    EXPECT_EQ(change.sold_at, order.sold_at);
  }
}

TEST(ParseItemEvent, RefusesWhatOrdersDoNotWrite) {
  outbox::Event event = Stored(ItemEvent(Sold(), ItemEffect::kSold));
  event.kind = "item_painted";
  EXPECT_THAT(ParseItemEvent(event),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("EVENT_MALFORMED")));
  event.kind = kItemSold;
  for (const char* payload : {"", "[]", "{}", "{\"inventory_item\": 1}"}) {
    event.payload = payload;
    EXPECT_THAT(ParseItemEvent(event), StatusIs(absl::StatusCode::kInvalidArgument)) << payload;
  }
}

// Remembers what it was told; refuses what it is told to refuse.
class RecordingCatalog final : public Catalog {
 public:
  absl::StatusOr<std::vector<ResolvedItem>> ResolveSoldItems(
      const Context&, std::string_view, std::span<const ReportedSale* const>) override {
    return absl::UnimplementedError("not asked for");
  }
  std::vector<absl::Status> MarkSold(const Context&, std::span<const ItemChange> changes) override {
    ++mark_sold_calls;
    std::vector<absl::Status> statuses;
    for (const ItemChange& change : changes) {
      statuses.push_back(change.item == refused ? absl::FailedPreconditionError("sold to another")
                                                : absl::OkStatus());
    }
    return statuses;
  }
  absl::Status ReserveItem(const Context&, const ItemChange& change) override {
    ++reserve_calls;
    return change.item == refused ? absl::FailedPreconditionError("kept for another") : reserved;
  }
  absl::Status ReleaseItem(const Context&, const ItemChange&) override {
    ++release_calls;
    return absl::OkStatus();
  }

  InventoryItemId refused;
  absl::Status reserved;  // answer to the other reservations
  int reserve_calls = 0;
  int mark_sold_calls = 0;
  int release_calls = 0;
};

TEST(DeliverTo, AnswersForEachEventInItsPlace) {
  const Order sold = Sold();
  const Order refused = Sold();
  outbox::Event broken = Stored(ItemEvent(sold, ItemEffect::kSold));
  broken.payload = "{}";
  const std::vector<outbox::Event> events = {Stored(ItemEvent(sold, ItemEffect::kSold)),
                                             Stored(ItemEvent(Sold(), ItemEffect::kReleased)),
                                             broken, Stored(ItemEvent(refused, ItemEffect::kSold))};
  RecordingCatalog catalog;
  catalog.refused = refused.inventory_item_id;
  const std::vector<absl::Status> statuses =
      DeliverTo(catalog)(Context::WithTimeout(absl::Seconds(5)), events);
  ASSERT_EQ(statuses.size(), 4U);
  EXPECT_OK(statuses[0]);
  EXPECT_OK(statuses[1]);
  EXPECT_THAT(statuses[2], StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(statuses[3], StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(catalog.mark_sold_calls, 1);
  EXPECT_EQ(catalog.release_calls, 1);
}

TEST(DeliverTo, ARefusedReservationIsDeliveredAndAnUnansweredOneIsNot) {
  const Order refused = Sold();
  const std::vector<outbox::Event> events = {Stored(ItemEvent(refused, ItemEffect::kReserved)),
                                             Stored(ItemEvent(Sold(), ItemEffect::kReserved))};
  RecordingCatalog catalog;
  catalog.refused = refused.inventory_item_id;
  catalog.reserved = absl::UnavailableError("away");
  const std::vector<absl::Status> statuses =
      DeliverTo(catalog)(Context::WithTimeout(absl::Seconds(5)), events);
  ASSERT_EQ(statuses.size(), 2U);
  EXPECT_OK(statuses[0]);
  EXPECT_THAT(statuses[1], StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(catalog.reserve_calls, 2);
}

}  // namespace
}  // namespace lockstep::orders
