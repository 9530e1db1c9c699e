#include "services/catalog/item_ledger.h"

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::catalog {
namespace {

using ids::Uuid;
using testing::IsOkAndHolds;
using testing::Reason;
using testing::StatusIs;

const absl::Time kBought =
    absl::FromCivil(absl::CivilSecond(2024, 1, 1, 23, 0, 0), absl::UTCTimeZone());
const absl::Time kSold =
    absl::FromCivil(absl::CivilSecond(2024, 1, 31, 1, 0, 0), absl::UTCTimeZone());

OrderRef ById(const Uuid& id) {
  return {.order_id = id, .platform_id = {}, .external_order_id = {}};
}

class ItemLedgerTest : public ::testing::Test {
 protected:
  void Item(ItemStatus status, int quantity = 1) {
    ledger_.AddItem({.id = item_,
                     .status = status,
                     .quantity = quantity,
                     .purchase_date = kBought,
                     .shelf_life_days = {},
                     .is_changed = false});
  }
  ItemStatus status() const { return ledger_.items().at(item_).status; }

  ItemLedger ledger_;
  const Uuid item_ = Uuid::Generate();
  const Uuid platform_ = Uuid::Generate();
  const OrderRef first_ = ById(Uuid::Generate());
  const OrderRef second_ = ById(Uuid::Generate());
};

TEST_F(ItemLedgerTest, ReservesOnceForOneOrder) {
  Item(ItemStatus::kListedStockx);

  EXPECT_THAT(ledger_.Reserve(item_, first_), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kReserved);
  EXPECT_THAT(ledger_.Reserve(item_, second_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_RESERVED")));
  EXPECT_EQ(ledger_.claims().size(), 1U);
}

TEST_F(ItemLedgerTest, RepeatingAStoredReservationChangesNothing) {
  Item(ItemStatus::kReserved);
  ledger_.AddClaim({.id = 7, .item_id = item_, .order = first_, .sold_at = {}});

  EXPECT_THAT(ledger_.Reserve(item_, first_), IsOkAndHolds(false));
  EXPECT_FALSE(ledger_.items().at(item_).is_changed);
  EXPECT_FALSE(ledger_.claims()[0].is_changed);
}

TEST_F(ItemLedgerTest, SellsAndFreezesTheShelfLife) {
  Item(ItemStatus::kInStock);

  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));

  EXPECT_EQ(status(), ItemStatus::kSold);
  EXPECT_EQ(ledger_.items().at(item_).shelf_life_days, 30);
  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(false));
  EXPECT_THAT(ledger_.MarkSold(item_, second_, kSold),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
}

TEST_F(ItemLedgerTest, SellsToTheOrderThatReserved) {
  Item(ItemStatus::kInStock);
  ASSERT_THAT(ledger_.Reserve(item_, first_), IsOkAndHolds(true));

  // It may be the first one under its other key.
  const OrderRef stranger = {.order_id = {}, .platform_id = platform_, .external_order_id = "7"};
  EXPECT_THAT(ledger_.MarkSold(item_, stranger, kSold),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_RESERVED")));
  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kSold);
}

TEST_F(ItemLedgerTest, TheNewestReservationGivesWayToASale) {
  Item(ItemStatus::kInStock, 2);
  const OrderRef third = ById(Uuid::Generate());
  ASSERT_THAT(ledger_.Reserve(item_, first_), IsOkAndHolds(true));
  ASSERT_THAT(ledger_.Reserve(item_, second_), IsOkAndHolds(true));

  EXPECT_THAT(ledger_.MarkSold(item_, third, kSold), IsOkAndHolds(true));
  EXPECT_FALSE(ledger_.claims()[0].is_deleted);
  EXPECT_TRUE(ledger_.claims()[1].is_deleted);
  EXPECT_EQ(status(), ItemStatus::kReserved);

  // The order that lost its unit has nothing to give back, and none to sell once all are sold.
  EXPECT_THAT(ledger_.Release(item_, second_, false), IsOkAndHolds(false));
  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kSold);
  EXPECT_THAT(ledger_.MarkSold(item_, second_, kSold),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
}

TEST_F(ItemLedgerTest, ASaleTakesNothingFromOtherSalesOrWhereAUnitIsFree) {
  Item(ItemStatus::kInStock, 2);
  ASSERT_THAT(ledger_.Reserve(item_, first_), IsOkAndHolds(true));

  EXPECT_THAT(ledger_.MarkSold(item_, second_, kSold), IsOkAndHolds(true));

  EXPECT_FALSE(ledger_.claims()[0].is_deleted);
  EXPECT_EQ(status(), ItemStatus::kReserved);
}

TEST_F(ItemLedgerTest, LearnsTheOrderIdOfAnImportedSale) {
  Item(ItemStatus::kReserved);
  OrderRef imported{.order_id = {}, .platform_id = platform_, .external_order_id = "stockx_1"};
  ledger_.AddClaim({.id = 7, .item_id = item_, .order = imported, .sold_at = {}});
  OrderRef both = imported;
  both.order_id = first_.order_id;

  EXPECT_THAT(ledger_.MarkSold(item_, both, kSold), IsOkAndHolds(true));

  EXPECT_EQ(ledger_.claims().size(), 1U);
  EXPECT_EQ(ledger_.claims()[0].order.order_id, first_.order_id);
  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(false));
}

TEST_F(ItemLedgerTest, RefusesAnOrderThatHoldsAnotherItem) {
  Item(ItemStatus::kInStock);
  const Uuid other = Uuid::Generate();
  ledger_.AddItem({.id = other, .purchase_date = {}, .shelf_life_days = {}});
  ASSERT_THAT(ledger_.Reserve(other, first_), IsOkAndHolds(true));

  EXPECT_THAT(ledger_.Reserve(item_, first_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ORDER_HOLDS_OTHER_ITEM")));
}

TEST_F(ItemLedgerTest, RefusesItemsThatCannotBeSold) {
  for (const ItemStatus bad : {ItemStatus::kCancelled, ItemStatus::kError}) {
    ItemLedger ledger;
    ledger.AddItem({.id = item_, .status = bad, .purchase_date = {}, .shelf_life_days = {}});
    EXPECT_THAT(ledger.Reserve(item_, first_),
                StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_NOT_AVAILABLE")));
  }
  EXPECT_THAT(ledger_.Reserve(item_, first_),
              StatusIs(absl::StatusCode::kNotFound, Reason("ITEM_NOT_FOUND")));
}

TEST_F(ItemLedgerTest, SellsEveryUnitOnce) {
  Item(ItemStatus::kInStock, 2);

  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kInStock);
  EXPECT_EQ(ledger_.FreeUnits(item_), 1);
  EXPECT_THAT(ledger_.Reserve(item_, second_), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kReserved);
  EXPECT_THAT(ledger_.MarkSold(item_, second_, kSold), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kSold);
  EXPECT_THAT(ledger_.Reserve(item_, ById(Uuid::Generate())),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
}

TEST_F(ItemLedgerTest, ReleasesWhatTheOrderHolds) {
  Item(ItemStatus::kInStock);
  ASSERT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));

  EXPECT_THAT(ledger_.Release(item_, second_, true), IsOkAndHolds(false));
  EXPECT_THAT(ledger_.Release(item_, first_, false), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kInStock);
  EXPECT_EQ(ledger_.items().at(item_).shelf_life_days, std::nullopt);
  EXPECT_THAT(ledger_.Release(item_, first_, false), IsOkAndHolds(false));
  EXPECT_THAT(ledger_.MarkSold(item_, second_, kSold), IsOkAndHolds(true));
}

TEST_F(ItemLedgerTest, ReleasesItemsThatWereSoldBeforeClaimsWereKept) {
  Item(ItemStatus::kSold);

  EXPECT_THAT(ledger_.Release(item_, first_, true), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kInStock);
}

TEST_F(ItemLedgerTest, ASaleThatIsOlderThanClaimsBecomesThatOfTheOrderThatNamesIt) {
  ledger_.AddItem({.id = item_,
                   .status = ItemStatus::kSold,
                   .quantity = 1,
                   .purchase_date = kBought,
                   .shelf_life_days = 12,
                   .is_changed = false});

  EXPECT_THAT(ledger_.Reserve(item_, second_),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));

  EXPECT_EQ(status(), ItemStatus::kSold);
  EXPECT_EQ(ledger_.items().at(item_).shelf_life_days, 12);
  ASSERT_EQ(ledger_.claims().size(), 1U);
  EXPECT_TRUE(ledger_.claims()[0].is_sold);
  EXPECT_THAT(ledger_.MarkSold(item_, second_, kSold),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  EXPECT_THAT(ledger_.Release(item_, first_, true), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kInStock);
}

TEST_F(ItemLedgerTest, SeveralUnitsThatWereSoldBeforeClaimsStaySold) {
  Item(ItemStatus::kSold, 2);

  EXPECT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));
  EXPECT_EQ(status(), ItemStatus::kSold);
  EXPECT_THAT(ledger_.MarkSold(item_, second_, kSold), IsOkAndHolds(true));
  EXPECT_THAT(ledger_.MarkSold(item_, ById(Uuid::Generate()), kSold),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
}

TEST_F(ItemLedgerTest, AMadeUpItemGoesWithItsSale) {
  for (const bool was_completed : {false, true}) {
    ItemLedger ledger;
    ledger.AddItem({.id = item_,
                    .status = ItemStatus::kSold,
                    .purchase_date = {},
                    .shelf_life_days = {},
                    .is_made_up = true});
    ledger.AddClaim({.id = 7, .item_id = item_, .order = first_, .is_sold = true, .sold_at = {}});

    EXPECT_THAT(ledger.Release(item_, first_, was_completed), IsOkAndHolds(true));

    // What was sold and came back is there, whoever bought it.
    EXPECT_EQ(ledger.items().at(item_).status,
              was_completed ? ItemStatus::kInStock : ItemStatus::kCancelled);
    EXPECT_TRUE(ledger.items().at(item_).is_changed);
  }
}

TEST_F(ItemLedgerTest, AnOrderThatSoldNothingDoesNotUndoAnOlderSale) {
  Item(ItemStatus::kSold);

  EXPECT_THAT(ledger_.Release(item_, first_, false), IsOkAndHolds(false));
  EXPECT_EQ(status(), ItemStatus::kSold);
  EXPECT_FALSE(ledger_.items().at(item_).is_changed);
}

TEST_F(ItemLedgerTest, KeepsTheQuantityOfSoldItemsAndOfOrders) {
  Item(ItemStatus::kInStock, 3);
  ASSERT_THAT(ledger_.Reserve(item_, first_), IsOkAndHolds(true));
  ASSERT_THAT(ledger_.Reserve(item_, second_), IsOkAndHolds(true));

  EXPECT_THAT(ledger_.SetQuantity(item_, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("QUANTITY_BELOW_ORDERS")));
  EXPECT_OK(ledger_.SetQuantity(item_, 2));
  EXPECT_EQ(status(), ItemStatus::kReserved);
  EXPECT_OK(ledger_.SetQuantity(item_, 4));
  EXPECT_EQ(status(), ItemStatus::kInStock);
  ASSERT_OK(ledger_.SetQuantity(item_, 2));
  ASSERT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));
  ASSERT_THAT(ledger_.MarkSold(item_, second_, kSold), IsOkAndHolds(true));
  EXPECT_THAT(ledger_.SetQuantity(item_, 5),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
}

TEST(ShelfLifeDays, CountsCalendarDaysInUtc) {
  EXPECT_EQ(ShelfLifeDays(kBought, kBought + absl::Hours(2)), 1);
  EXPECT_EQ(ShelfLifeDays(kBought, kBought), 0);
  EXPECT_EQ(ShelfLifeDays(kBought, kBought - absl::Hours(24)), std::nullopt);
  EXPECT_EQ(ShelfLifeDays(std::nullopt, kSold), std::nullopt);
}

// Every pair of statuses: what people may do by hand.
TEST(ItemTransition, FollowsTheTable) {
  constexpr ItemStatus kAll[] = {
      ItemStatus::kInStock,    ItemStatus::kListedStockx, ItemStatus::kListedAlias,
      ItemStatus::kListedEbay, ItemStatus::kListedGoat,   ItemStatus::kListedGrailed,
      ItemStatus::kReserved,   ItemStatus::kPresale,      ItemStatus::kPreorder,
      ItemStatus::kSold,       ItemStatus::kCancelled,    ItemStatus::kError};
  // Rows "from", columns "to", both in the order above.
  constexpr const char* kAllowed[] = {
      "111111011011",  // in_stock
      "111111000011",  // listed_stockx
      "111111000011",  // listed_alias
      "111111000011",  // listed_ebay
      "111111000011",  // listed_goat
      "111111000011",  // listed_grailed
      "000000000000",  // reserved
      "111111011011",  // presale
      "111111011011",  // preorder
      "000000000000",  // sold
      "000000000000",  // cancelled
      "111111011011",  // error
  };
  for (std::size_t from = 0; from < std::size(kAll); ++from) {
    for (std::size_t to = 0; to < std::size(kAll); ++to) {
      EXPECT_EQ(CanFollow(kAll[from], kAll[to]), kAllowed[from][to] == '1')
          << ToText(kAll[from]) << " -> " << ToText(kAll[to]);
    }
  }
}

TEST(ItemStatus, TextsComeBack) {
  for (int i = 0; i <= static_cast<int>(ItemStatus::kError); ++i) {
    const auto status = static_cast<ItemStatus>(i);
    EXPECT_EQ(ItemStatusFromText(ToText(status)), status);
  }
  EXPECT_EQ(ItemStatusFromText("listed"), std::nullopt);
}

TEST_F(ItemLedgerTest, MovesByHandWhatNoOrderHolds) {
  Item(ItemStatus::kInStock);

  EXPECT_OK(ledger_.MoveTo(item_, ItemStatus::kListedGoat));
  EXPECT_OK(ledger_.MoveTo(item_, ItemStatus::kListedGoat));
  EXPECT_THAT(ledger_.MoveTo(item_, ItemStatus::kSold),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("TRANSITION_NOT_ALLOWED")));
  ASSERT_THAT(ledger_.Reserve(item_, first_), IsOkAndHolds(true));
  EXPECT_THAT(ledger_.MoveTo(item_, ItemStatus::kInStock),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("TRANSITION_NOT_ALLOWED")));
}

TEST_F(ItemLedgerTest, UnitsThatOrdersHoldCannotBeUnbought) {
  Item(ItemStatus::kInStock, 2);
  ASSERT_THAT(ledger_.MarkSold(item_, first_, kSold), IsOkAndHolds(true));

  for (const ItemStatus to :
       {ItemStatus::kCancelled, ItemStatus::kPresale, ItemStatus::kPreorder}) {
    EXPECT_THAT(ledger_.MoveTo(item_, to),
                StatusIs(absl::StatusCode::kFailedPrecondition, Reason("TRANSITION_NOT_ALLOWED")))
        << ToText(to);
  }
  EXPECT_EQ(status(), ItemStatus::kInStock);
  EXPECT_OK(ledger_.MoveTo(item_, ItemStatus::kListedGoat));
  ASSERT_THAT(ledger_.Release(item_, first_, true), IsOkAndHolds(true));
  EXPECT_OK(ledger_.MoveTo(item_, ItemStatus::kCancelled));
}

}  // namespace
}  // namespace lockstep::catalog
