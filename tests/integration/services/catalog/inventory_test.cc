#include "google/rpc/error_details.pb.h"
#include "tests/integration/services/catalog/catalog_server.h"

namespace lockstep::catalog {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

constexpr char kOrder1[] = "orders/11111111-1111-4111-8111-111111111111";
constexpr char kOrder2[] = "orders/22222222-2222-4222-8222-222222222222";
constexpr char kBought[] = "2024-01-01T22:30:00Z";
constexpr char kSold[] = "2024-01-31T01:00:00Z";

class InventoryTest : public CatalogTest {
 protected:
  v1::CreateInventoryItemRequest NewItem() {
    v1::CreateInventoryItemRequest request;
    request.mutable_inventory_item()->set_product(product_);
    request.mutable_inventory_item()->set_size(size_);
    return request;
  }

  absl::StatusOr<v1::InventoryItem> Create(const v1::CreateInventoryItemRequest& request) {
    return Call(inventory_, &Inventory::CreateInventoryItem, request);
  }

  absl::StatusOr<v1::InventoryItem> Update(const v1::InventoryItem& item,
                                           const std::vector<std::string>& paths) {
    v1::UpdateInventoryItemRequest request;
    *request.mutable_inventory_item() = item;
    for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
    return Call(inventory_, &Inventory::UpdateInventoryItem, request);
  }

  absl::StatusOr<v1::ReserveItemResponse> Reserve(const std::string& item,
                                                  const std::string& order) {
    v1::ReserveItemRequest request;
    request.set_name(item);
    request.mutable_order()->set_order(order);
    return Call(inventory_, &Inventory::ReserveItem, request);
  }

  absl::StatusOr<v1::ReleaseItemResponse> Release(const std::string& item, const std::string& order,
                                                  const std::string& request_id = "") {
    v1::ReleaseItemRequest request;
    request.set_name(item);
    request.mutable_order()->set_order(order);
    request.set_request_id(request_id);
    return Call(inventory_, &Inventory::ReleaseItem, request);
  }

  static void AddSale(v1::MarkSoldRequest& request, int event, const std::string& item,
                      const std::string& order) {
    v1::ItemSale& sale = *request.add_sales();
    sale.set_event_id("00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + event));
    sale.set_inventory_item(item);
    sale.mutable_order()->set_order(order);
    *sale.mutable_sold_at() = At(kSold);
  }

  v1::MarkSoldResponse MarkSold(const v1::MarkSoldRequest& request) {
    const auto response = Call(inventory_, &Inventory::MarkSold, request);
    EXPECT_OK(response);
    return response.value_or(v1::MarkSoldResponse());
  }

  v1::MarkSoldResponse MarkSold(int event, const std::string& item, const std::string& order) {
    v1::MarkSoldRequest request;
    AddSale(request, event, item, order);
    return MarkSold(request);
  }

  const std::string product_ = MakeProduct("DV0982-100");
  const std::string size_ = MakeSize("9");
};

TEST_F(InventoryTest, GrossPriceIsSplitIntoNetAndVat) {
  v1::CreateInventoryItemRequest request = NewItem();
  *request.mutable_inventory_item()->mutable_gross_purchase_price() = Eur(10'200);

  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem item, Create(request));

  EXPECT_EQ(Cents(item.purchase_price()), 8'571);
  EXPECT_EQ(Cents(item.vat_amount()), 1'629);
  EXPECT_EQ(item.vat_rate(), "19.00");
  EXPECT_EQ(item.status(), v1::INVENTORY_STATUS_IN_STOCK);
  EXPECT_EQ(item.quantity(), 1);
  *request.mutable_inventory_item()->mutable_purchase_date() = At("2020-08-01T00:00:00Z");
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem lowered, Create(request));
  EXPECT_EQ(lowered.vat_rate(), "16.00");
  request.mutable_inventory_item()->set_vat_rate("0");
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem without, Create(request));
  EXPECT_EQ(Cents(without.purchase_price()), 10'200);
  EXPECT_EQ(Cents(without.vat_amount()), 0);
}

TEST_F(InventoryTest, UnknownPricesStayUnknown) {
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem item, Create(NewItem()));

  EXPECT_FALSE(item.has_purchase_price());
  EXPECT_FALSE(item.has_gross_purchase_price());
  EXPECT_FALSE(item.has_vat_amount());
  EXPECT_FALSE(item.has_vat_rate());
}

TEST_F(InventoryTest, PricesMustAgreeAndBePositive) {
  v1::CreateInventoryItemRequest request = NewItem();
  *request.mutable_inventory_item()->mutable_gross_purchase_price() = Eur(10'200);
  *request.mutable_inventory_item()->mutable_purchase_price() = Eur(8'570);
  EXPECT_THAT(Create(request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PURCHASE_PRICE_MISMATCH")));
  *request.mutable_inventory_item()->mutable_purchase_price() = Eur(8'571);
  EXPECT_OK(Create(request));
  *request.mutable_inventory_item()->mutable_purchase_price() = Eur(0);
  EXPECT_THAT(Create(request), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasField("inventory_item.purchase_price")));
  request = NewItem();
  request.mutable_inventory_item()->mutable_purchase_price()->set_currency_code("EUR");
  request.mutable_inventory_item()->mutable_purchase_price()->set_nanos(1'000'000);
  EXPECT_THAT(Create(request), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasField("inventory_item.purchase_price.nanos")));
  request = NewItem();
  request.mutable_inventory_item()->set_product("products/11111111-1111-4111-8111-111111111111");
  EXPECT_THAT(Create(request), StatusIs(absl::StatusCode::kNotFound, Reason("PRODUCT_NOT_FOUND")));
}

TEST_F(InventoryTest, UpdatesRecomputeThePrice) {
  v1::InventoryItem item = MakeItem(product_, size_, kBought, 10'000);
  *item.mutable_gross_purchase_price() = Eur(11'900);

  ASSERT_OK_AND_ASSIGN(v1::InventoryItem changed, Update(item, {"gross_purchase_price"}));

  EXPECT_EQ(Cents(changed.purchase_price()), 10'000);
  EXPECT_EQ(Cents(changed.vat_amount()), 1'900);
  changed.set_vat_rate("7");
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem reduced, Update(changed, {"vat_rate"}));
  EXPECT_EQ(Cents(reduced.purchase_price()), 11'121);
  EXPECT_THAT(Update(changed, {"vat_rate"}),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
}

TEST_F(InventoryTest, ExternalIdsAreAMapThatKeepsThePlaceholderMark) {
  v1::CreateInventoryItemRequest request = NewItem();
  (*request.mutable_inventory_item()->mutable_external_ids())["stockx_listing_id"] = "L-1";
  ASSERT_OK_AND_ASSIGN(v1::InventoryItem item, Create(request));
  EXPECT_EQ(item.external_ids().at("stockx_listing_id"), "L-1");
  db_.Execute(
      "UPDATE products.inventory SET external_ids = external_ids ||"
      " '{\"is_placeholder\": true, \"created_from_sync\": true}'");
  EXPECT_TRUE(GetItem(item.name()).is_placeholder());
  EXPECT_EQ(GetItem(item.name()).external_ids().at("created_from_sync"), "true");

  item.clear_etag();
  item.clear_external_ids();
  (*item.mutable_external_ids())["notion_page_url"] = "https://x";
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem changed, Update(item, {"external_ids"}));
  EXPECT_TRUE(changed.is_placeholder());
  EXPECT_EQ(changed.external_ids_size(), 1);
}

TEST_F(InventoryTest, ReserveReleaseAndSaleAreIdempotentByOrder) {
  const v1::InventoryItem item = MakeItem(product_, size_, kBought);

  ASSERT_OK_AND_ASSIGN(const auto reserved, Reserve(item.name(), kOrder1));
  EXPECT_EQ(reserved.inventory_item().status(), v1::INVENTORY_STATUS_RESERVED);
  ASSERT_OK_AND_ASSIGN(const auto again, Reserve(item.name(), kOrder1));
  EXPECT_EQ(again.inventory_item().etag(), reserved.inventory_item().etag());
  EXPECT_THAT(Reserve(item.name(), kOrder2),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_RESERVED")));

  const auto sold = MarkSold(1, item.name(), kOrder1);
  EXPECT_EQ(sold.results(0).status().code(), 0);
  EXPECT_EQ(GetItem(item.name()).status(), v1::INVENTORY_STATUS_SOLD);
  EXPECT_EQ(GetItem(item.name()).shelf_life_days(), 30);
  EXPECT_THAT(Reserve(item.name(), kOrder2),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));

  ASSERT_OK_AND_ASSIGN(const auto released, Release(item.name(), kOrder1));
  EXPECT_EQ(released.inventory_item().status(), v1::INVENTORY_STATUS_IN_STOCK);
  EXPECT_FALSE(released.inventory_item().has_shelf_life_days());
  ASSERT_OK(Reserve(item.name(), kOrder2));
  ASSERT_OK_AND_ASSIGN(const auto late, Release(item.name(), kOrder1));
  EXPECT_EQ(late.inventory_item().status(), v1::INVENTORY_STATUS_RESERVED);
}

TEST_F(InventoryTest, OnlyACompletedOrderGivesBackAnItemThatNobodyHolds) {
  const v1::InventoryItem item = MakeItem(product_, size_, kBought);
  db_.Execute("UPDATE products.inventory SET status = 'sold'");

  ASSERT_OK_AND_ASSIGN(const auto cancelled, Release(item.name(), kOrder1));
  EXPECT_EQ(cancelled.inventory_item().status(), v1::INVENTORY_STATUS_SOLD);
  EXPECT_EQ(cancelled.inventory_item().etag(), GetItem(item.name()).etag());
  v1::ReleaseItemRequest request;
  request.set_name(item.name());
  request.mutable_order()->set_order(kOrder1);
  request.set_was_completed(true);
  ASSERT_OK_AND_ASSIGN(const auto returned, Call(inventory_, &Inventory::ReleaseItem, request));
  EXPECT_EQ(returned.inventory_item().status(), v1::INVENTORY_STATUS_IN_STOCK);
}

TEST_F(InventoryTest, EventsAreAppliedOnce) {
  const v1::InventoryItem item = MakeItem(product_, size_, kBought);
  const std::string event = "00000000-0000-4000-8000-000000000009";
  ASSERT_OK(Reserve(item.name(), kOrder1));
  ASSERT_OK(Release(item.name(), kOrder1, event));
  ASSERT_OK(Reserve(item.name(), kOrder1));
  // Even when the kept answer is gone, the event is remembered.
  db_.Execute("DELETE FROM core.request_results");

  ASSERT_OK_AND_ASSIGN(const auto repeated, Release(item.name(), kOrder1, event));

  EXPECT_EQ(repeated.inventory_item().status(), v1::INVENTORY_STATUS_RESERVED);
}

TEST_F(InventoryTest, MarkSoldAnswersEachRow) {
  const v1::InventoryItem first = MakeItem(product_, size_, kBought);
  const v1::InventoryItem second = MakeItem(product_, size_, kBought);
  ASSERT_EQ(MarkSold(1, first.name(), kOrder1).results(0).status().code(), 0);
  v1::MarkSoldRequest request;
  AddSale(request, 1, first.name(), kOrder1);   // the event again
  AddSale(request, 2, first.name(), kOrder1);   // the order again
  AddSale(request, 3, first.name(), kOrder2);   // another order
  AddSale(request, 4, second.name(), kOrder2);  // fine
  AddSale(request, 5, "inventoryItems/11111111-1111-4111-8111-111111111111", kOrder2);
  request.mutable_sales(4)->mutable_order()->set_order(
      "orders/33333333-3333-4333-8333-333333333333");

  const v1::MarkSoldResponse response = MarkSold(request);

  ASSERT_EQ(response.results_size(), 5);
  EXPECT_TRUE(response.results(0).was_applied_before());
  EXPECT_TRUE(response.results(1).was_applied_before());
  EXPECT_EQ(response.results(2).status().code(),
            static_cast<int>(absl::StatusCode::kFailedPrecondition));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(response.results(2).status().details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "ITEM_SOLD");
  EXPECT_EQ(info.domain(), "catalog.lockstep");
  EXPECT_EQ(response.results(3).status().code(), 0);
  EXPECT_FALSE(response.results(3).was_applied_before());
  EXPECT_EQ(response.results(4).status().code(), static_cast<int>(absl::StatusCode::kNotFound));
  // Failed rows are not remembered: they can be sent again.
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM core.inbox"), "3");
  ASSERT_OK(Release(first.name(), kOrder1));
  v1::MarkSoldRequest retry;
  AddSale(retry, 3, first.name(), "orders/44444444-4444-4444-8444-444444444444");
  EXPECT_EQ(MarkSold(retry).results(0).status().code(), 0);
}

TEST_F(InventoryTest, MarkSoldChecksEveryRow) {
  v1::MarkSoldRequest request;
  EXPECT_THAT(Call(inventory_, &Inventory::MarkSold, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("sales")));
  AddSale(request, 1, "inventoryItems/x", kOrder1);
  AddSale(request, 1, product_, "");
  request.mutable_sales(1)->mutable_order()->set_platform("platforms/stockx");
  const auto refused = Call(inventory_, &Inventory::MarkSold, request);
  for (const char* field : {"sales[0].inventory_item", "sales[1].inventory_item",
                            "sales[1].event_id", "sales[1].order.external_order_id"}) {
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasField(field)));
  }
}

TEST_F(InventoryTest, SoldItemsKeepPricesAndQuantity) {
  v1::InventoryItem item = MakeItem(product_, size_, kBought);
  const v1::InventoryItem unpriced = [&] {
    const auto created = Create(NewItem());
    return created.value_or(v1::InventoryItem());
  }();
  MarkSold(1, item.name(), kOrder1);
  MarkSold(2, unpriced.name(), kOrder2);
  item.clear_etag();
  *item.mutable_purchase_price() = Eur(1);
  EXPECT_THAT(Update(item, {"purchase_price"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  item.clear_purchase_price();
  EXPECT_THAT(Update(item, {"purchase_price"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  item.set_quantity(2);
  EXPECT_THAT(Update(item, {"quantity"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("ITEM_SOLD")));
  item.set_notes("box damaged");
  EXPECT_OK(Update(item, {"notes"}));

  v1::InventoryItem completed = unpriced;
  completed.clear_etag();
  *completed.mutable_gross_purchase_price() = Eur(11'900);
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem priced, Update(completed, {"gross_purchase_price"}));
  EXPECT_EQ(Cents(priced.purchase_price()), 10'000);
}

TEST_F(InventoryTest, QuantityFollowsTheUnitsThatOrdersHold) {
  v1::CreateInventoryItemRequest request = NewItem();
  request.mutable_inventory_item()->set_quantity(2);
  ASSERT_OK_AND_ASSIGN(v1::InventoryItem item, Create(request));
  ASSERT_OK(Reserve(item.name(), kOrder1));
  ASSERT_OK_AND_ASSIGN(const auto full, Reserve(item.name(), kOrder2));
  EXPECT_EQ(full.inventory_item().status(), v1::INVENTORY_STATUS_RESERVED);
  item.clear_etag();
  item.set_quantity(1);
  EXPECT_THAT(Update(item, {"quantity"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("QUANTITY_BELOW_ORDERS")));
  item.set_quantity(3);
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem grown, Update(item, {"quantity"}));
  EXPECT_EQ(grown.status(), v1::INVENTORY_STATUS_IN_STOCK);
}

TEST_F(InventoryTest, PeopleMoveItemsThatNoOrderHolds) {
  const v1::InventoryItem item = MakeItem(product_, size_, kBought);
  v1::TransitionItemRequest request;
  request.set_name(item.name());
  request.set_status(v1::INVENTORY_STATUS_LISTED_STOCKX);
  request.set_etag(item.etag());
  ASSERT_OK_AND_ASSIGN(const auto moved, Call(inventory_, &Inventory::TransitionItem, request));
  EXPECT_EQ(moved.inventory_item().status(), v1::INVENTORY_STATUS_LISTED_STOCKX);
  EXPECT_THAT(Call(inventory_, &Inventory::TransitionItem, request),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
  request.clear_etag();
  request.set_status(v1::INVENTORY_STATUS_SOLD);
  EXPECT_THAT(Call(inventory_, &Inventory::TransitionItem, request),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("TRANSITION_NOT_ALLOWED")));
  request.set_name("inventoryItems/11111111-1111-4111-8111-111111111111");
  EXPECT_THAT(Call(inventory_, &Inventory::TransitionItem, request),
              StatusIs(absl::StatusCode::kNotFound, Reason("ITEM_NOT_FOUND")));
}

TEST_F(InventoryTest, ListsFilterAndSortWithUnknownValuesLast) {
  MakeItem(product_, size_, kBought, 3'000);
  MakeItem(product_, size_, kBought, 1'000);
  ASSERT_OK(Create(NewItem()));
  v1::ListInventoryItemsRequest request;
  request.set_order_by("purchase_price desc");
  request.set_filter("sku = \"DV0982-100\" AND status = in_stock");
  request.set_page_size(2);

  ASSERT_OK_AND_ASSIGN(const auto first, Call(inventory_, &Inventory::ListInventoryItems, request));
  request.set_page_token(first.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto second,
                       Call(inventory_, &Inventory::ListInventoryItems, request));

  ASSERT_EQ(first.inventory_items_size(), 2);
  EXPECT_EQ(Cents(first.inventory_items(0).purchase_price()), 3'000);
  ASSERT_EQ(second.inventory_items_size(), 1);
  EXPECT_FALSE(second.inventory_items(0).has_purchase_price());
  request.clear_page_token();
  request.set_filter("NOT purchase_price:*");
  ASSERT_OK_AND_ASSIGN(const auto unknown,
                       Call(inventory_, &Inventory::ListInventoryItems, request));
  EXPECT_EQ(unknown.inventory_items_size(), 1);
}

TEST_F(InventoryTest, StatsCountStatusesAndCapital) {
  v1::InventoryStatsRequest request;
  ASSERT_OK_AND_ASSIGN(auto stats, Call(inventory_, &Inventory::InventoryStats, request));
  EXPECT_EQ(stats.total_count(), 0);
  EXPECT_FALSE(stats.has_value());
  EXPECT_FALSE(stats.has_mean_purchase_price());

  const v1::InventoryItem sold = MakeItem(product_, size_, kBought, 5'000);
  MarkSold(1, sold.name(), kOrder1);
  v1::CreateInventoryItemRequest two = NewItem();
  two.mutable_inventory_item()->set_quantity(2);
  *two.mutable_inventory_item()->mutable_purchase_price() = Eur(1'001);
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem pair, Create(two));
  MarkSold(2, pair.name(), kOrder2);  // one of its two units
  const v1::InventoryItem listed = MakeItem(product_, size_, kBought, 2'000);
  v1::TransitionItemRequest move;
  move.set_name(listed.name());
  move.set_status(v1::INVENTORY_STATUS_LISTED_EBAY);
  ASSERT_OK(Call(inventory_, &Inventory::TransitionItem, move));
  ASSERT_OK(Create(NewItem()));

  ASSERT_OK_AND_ASSIGN(stats, Call(inventory_, &Inventory::InventoryStats, request));
  EXPECT_EQ(stats.total_count(), 4);
  EXPECT_EQ(stats.sold_count(), 1);
  EXPECT_EQ(stats.listed_count(), 1);
  EXPECT_EQ(stats.in_stock_count(), 2);
  EXPECT_EQ(stats.without_price_count(), 1);
  EXPECT_EQ(Cents(stats.value()), 3'001);
  // (50.00 + 10.01 + 20.00) / 3 = 26.67
  EXPECT_EQ(Cents(stats.mean_purchase_price()), 2'667);
  request.set_filter("status = sold");
  ASSERT_OK_AND_ASSIGN(stats, Call(inventory_, &Inventory::InventoryStats, request));
  EXPECT_EQ(stats.total_count(), 1);
  EXPECT_FALSE(stats.has_value());
  request.set_filter("status = listed_ebay");
  db_.Execute("UPDATE products.inventory SET vat_rate = 19, vat_amount = NULL");
  ASSERT_OK_AND_ASSIGN(stats, Call(inventory_, &Inventory::InventoryStats, request));
  EXPECT_EQ(stats.unverified_vat_count(), 1);
  db_.Execute("UPDATE products.inventory SET vat_rate = NULL");
  ASSERT_OK_AND_ASSIGN(stats, Call(inventory_, &Inventory::InventoryStats, request));
  EXPECT_EQ(stats.unverified_vat_count(), 0);
}

}  // namespace
}  // namespace lockstep::catalog
