#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/integration/services/catalog/catalog_server.h"

namespace lockstep::catalog {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

constexpr char kBought[] = "2024-01-01T12:00:00Z";
constexpr char kSold[] = "2024-02-01T12:00:00Z";

class ResolveTest : public CatalogTest {
 protected:
  static v1::SaleToResolve& AddSale(v1::ResolveSoldItemsRequest& request, int number,
                                    const std::string& sku = "DV0982-100",
                                    const std::string& size = "9") {
    v1::SaleToResolve& sale = *request.add_sales();
    sale.set_platform("platforms/stockx");
    sale.set_external_order_id("stockx_" + std::to_string(number));
    sale.set_sku(sku);
    sale.set_item_name("Nike Dunk Low Panda");
    sale.set_size_text(size);
    *sale.mutable_sold_at() = At(kSold);
    return sale;
  }

  static absl::StatusOr<v1::ResolveSoldItemsResponse> Resolve(
      Inventory& stub, const v1::ResolveSoldItemsRequest& request) {
    return Call(stub, &Inventory::ResolveSoldItems, request);
  }

  v1::ResolvedSale ResolveOne(int number, const std::string& sku = "DV0982-100",
                              const std::string& size = "9") {
    v1::ResolveSoldItemsRequest request;
    AddSale(request, number, sku, size);
    const auto response = Resolve(inventory_, request);
    EXPECT_OK(response);
    return response.ok() ? response->sales(0) : v1::ResolvedSale();
  }

  void SetExternalId(const std::string& item, const std::string& key, const std::string& value) {
    v1::UpdateInventoryItemRequest request;
    request.mutable_inventory_item()->set_name(item);
    (*request.mutable_inventory_item()->mutable_external_ids())[key] = value;
    EXPECT_OK(Call(inventory_, &Inventory::UpdateInventoryItem, request));
  }

  static std::set<std::string> ItemsOf(const v1::ResolveSoldItemsResponse& response) {
    std::set<std::string> items;
    for (const v1::ResolvedSale& sale : response.sales()) items.insert(sale.inventory_item());
    return items;
  }
};

TEST_F(ResolveTest, APlaceholderGoesWithItsSale) {
  const v1::ResolvedSale sale = ResolveOne(1);
  ASSERT_TRUE(sale.is_placeholder());
  v1::ReleaseItemRequest request;
  request.set_name(sale.inventory_item());
  request.mutable_order()->set_platform("platforms/stockx");
  request.mutable_order()->set_external_order_id("stockx_1");

  ASSERT_OK(Call(inventory_, &Inventory::ReleaseItem, request));

  EXPECT_EQ(GetItem(sale.inventory_item()).status(), v1::INVENTORY_STATUS_CANCELLED);
  const v1::ResolvedSale again = ResolveOne(1);
  EXPECT_TRUE(again.is_placeholder());
  EXPECT_NE(again.inventory_item(), sale.inventory_item());
}

TEST_F(ResolveTest, PlaceholderHasNoPriceAndIsSold) {
  const v1::ResolvedSale sale = ResolveOne(1, "N/A", "7W");

  EXPECT_EQ(sale.match(), v1::SALE_MATCH_PLACEHOLDER);
  EXPECT_TRUE(sale.is_placeholder());
  EXPECT_FALSE(sale.has_purchase_price());
  EXPECT_FALSE(sale.has_purchase_date());
  const v1::InventoryItem item = GetItem(sale.inventory_item());
  EXPECT_EQ(item.status(), v1::INVENTORY_STATUS_SOLD);
  EXPECT_TRUE(item.is_placeholder());
  EXPECT_FALSE(item.has_purchase_price());
  EXPECT_FALSE(item.has_vat_rate());
  EXPECT_EQ(db_.QueryText("SELECT sku || '|' || product_name || '|' || size_value || '|' ||"
                          " size_region FROM products.item_summaries"),
            "stockx-item-0842c04e7a3c|Nike Dunk Low Panda|7W|US");
  EXPECT_EQ(db_.QueryText("SELECT path FROM products.categories WHERE slug = 'sneakers'"),
            "Footwear/Sneakers");
}

TEST_F(ResolveTest, SizesWithoutAValueAreOneSize) {
  ResolveOne(1, "EK0A5BBG", "N/A");

  EXPECT_EQ(db_.QueryText("SELECT value || ' ' || region FROM products.sizes"), "One Size UNKNOWN");
}

TEST_F(ResolveTest, BrandOfANewProductIsDerived) {
  db_.Execute(
      "INSERT INTO products.brands (name, slug) VALUES ('Nike', 'nike');"
      "INSERT INTO products.brand_patterns (brand_id, pattern)"
      " SELECT id, '^nike' FROM products.brands");

  ResolveOne(1);

  EXPECT_EQ(db_.QueryText("SELECT brand_name FROM products.item_summaries"), "Nike");
}

TEST_F(ResolveTest, RepeatedCallsGiveTheSameItems) {
  v1::ResolveSoldItemsRequest request;
  for (int i = 0; i < 20; ++i) AddSale(request, i);

  ASSERT_OK_AND_ASSIGN(const auto first, Resolve(inventory_, request));
  ASSERT_OK_AND_ASSIGN(const auto second, Resolve(inventory_, request));

  EXPECT_EQ(ItemsOf(first).size(), 20U);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(first.sales(i).inventory_item(), second.sales(i).inventory_item());
    EXPECT_EQ(second.sales(i).match(), v1::SALE_MATCH_KNOWN);
    EXPECT_TRUE(second.sales(i).is_placeholder());
  }
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM products.inventory"), "20");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM products.products"), "1");
}

TEST_F(ResolveTest, SkuAndSizeTakeTheOldestPurchaseFirst) {
  const std::string product = MakeProduct("DV0982-100");
  const std::string size = MakeSize("9");
  const v1::InventoryItem newer = MakeItem(product, size, "2024-01-20T00:00:00Z", 2'000);
  const v1::InventoryItem older = MakeItem(product, size, kBought, 1'000);
  MakeItem(product, MakeSize("9.5"), kBought);
  MakeItem(product, size, "2024-02-02T00:00:00Z");  // bought after the sale
  v1::ResolveSoldItemsRequest request;
  for (int i = 0; i < 3; ++i) AddSale(request, i);

  ASSERT_OK_AND_ASSIGN(const auto response, Resolve(inventory_, request));

  EXPECT_EQ(response.sales(0).inventory_item(), older.name());
  EXPECT_EQ(response.sales(0).match(), v1::SALE_MATCH_SKU_SIZE);
  EXPECT_EQ(Cents(response.sales(0).purchase_price()), 1'000);
  EXPECT_EQ(response.sales(0).purchase_date().seconds(), At(kBought).seconds());
  EXPECT_EQ(response.sales(1).inventory_item(), newer.name());
  EXPECT_EQ(response.sales(2).match(), v1::SALE_MATCH_PLACEHOLDER);
  EXPECT_EQ(GetItem(older.name()).status(), v1::INVENTORY_STATUS_RESERVED);
}

TEST_F(ResolveTest, ExactReferencesComeBeforeSkuAndSize) {
  const std::string product = MakeProduct("DV0982-100");
  const std::string size = MakeSize("9");
  const v1::InventoryItem listed = MakeItem(product, size, kBought);
  const v1::InventoryItem numbered = MakeItem(product, size, kBought);
  const v1::InventoryItem noted = MakeItem(product, size, kBought);
  const v1::InventoryItem plain = MakeItem(product, size, "2024-01-05T00:00:00Z");
  db_.Execute(absl::StrFormat(
      "INSERT INTO products.listings (inventory_item_id, platform_id, external_listing_id, status)"
      " SELECT '%s', id, 'L-1', 'active' FROM core.platforms WHERE slug = 'stockx'",
      listed.name().substr(15)));
  SetExternalId(numbered.name(), "stockx_order_number", "3");
  SetExternalId(noted.name(), "stockx_listing_id", "L-4");
  v1::ResolveSoldItemsRequest request;
  AddSale(request, 1);  // by SKU and size: gets what the others leave
  AddSale(request, 2).set_listing_id("L-1");
  AddSale(request, 3);
  AddSale(request, 4).set_listing_id("L-4");

  ASSERT_OK_AND_ASSIGN(const auto response, Resolve(inventory_, request));

  EXPECT_EQ(response.sales(0).inventory_item(), plain.name());
  EXPECT_EQ(response.sales(1).inventory_item(), listed.name());
  EXPECT_EQ(response.sales(1).match(), v1::SALE_MATCH_LISTING);
  EXPECT_EQ(response.sales(2).inventory_item(), numbered.name());
  EXPECT_EQ(response.sales(2).match(), v1::SALE_MATCH_EXTERNAL_ID);
  EXPECT_EQ(response.sales(3).inventory_item(), noted.name());
  EXPECT_EQ(response.sales(3).match(), v1::SALE_MATCH_EXTERNAL_ID);
}

TEST_F(ResolveTest, ASecondSaleOfOneListingGetsAnotherItem) {
  const v1::InventoryItem item = MakeItem(MakeProduct("DV0982-100"), MakeSize("9"), kBought);
  SetExternalId(item.name(), "stockx_listing_id", "L-1");
  v1::ResolveSoldItemsRequest request;
  AddSale(request, 1).set_listing_id("L-1");
  AddSale(request, 2).set_listing_id("L-1");

  ASSERT_OK_AND_ASSIGN(const auto response, Resolve(inventory_, request));

  EXPECT_EQ(response.sales(0).inventory_item(), item.name());
  EXPECT_EQ(response.sales(1).match(), v1::SALE_MATCH_PLACEHOLDER);
}

TEST_F(ResolveTest, KnownItemsAreKept) {
  const v1::InventoryItem item = MakeItem(MakeProduct("DV0982-100"), MakeSize("9"), kBought, 7'000);
  db_.Execute("UPDATE products.inventory SET status = 'sold'");
  v1::ResolveSoldItemsRequest request;
  AddSale(request, 1).set_known_item(item.name());

  ASSERT_OK_AND_ASSIGN(const auto response, Resolve(inventory_, request));

  EXPECT_EQ(response.sales(0).inventory_item(), item.name());
  EXPECT_EQ(response.sales(0).match(), v1::SALE_MATCH_KNOWN);
  EXPECT_EQ(Cents(response.sales(0).purchase_price()), 7'000);
  EXPECT_EQ(db_.QueryText("SELECT status FROM products.item_orders"), "sold");
  request.mutable_sales(0)->set_external_order_id("stockx_2");
  request.mutable_sales(0)->set_known_item("inventoryItems/11111111-1111-4111-8111-111111111111");
  EXPECT_THAT(Resolve(inventory_, request),
              StatusIs(absl::StatusCode::kNotFound, Reason("ITEM_NOT_FOUND")));
}

TEST_F(ResolveTest, UnitsOfAnItemAreSoldOneByOne) {
  v1::CreateInventoryItemRequest create;
  create.mutable_inventory_item()->set_product(MakeProduct("DV0982-100"));
  create.mutable_inventory_item()->set_size(MakeSize("9"));
  create.mutable_inventory_item()->set_quantity(2);
  ASSERT_OK_AND_ASSIGN(const v1::InventoryItem pair,
                       Call(inventory_, &Inventory::CreateInventoryItem, create));

  EXPECT_EQ(ResolveOne(1).inventory_item(), pair.name());
  EXPECT_EQ(GetItem(pair.name()).status(), v1::INVENTORY_STATUS_IN_STOCK);
  EXPECT_EQ(ResolveOne(2).inventory_item(), pair.name());
  EXPECT_EQ(GetItem(pair.name()).status(), v1::INVENTORY_STATUS_RESERVED);
  EXPECT_EQ(ResolveOne(3).match(), v1::SALE_MATCH_PLACEHOLDER);
}

TEST_F(ResolveTest, TheResolvedSaleIsMarkedSoldByItsOrder) {
  const v1::InventoryItem item = MakeItem(MakeProduct("DV0982-100"), MakeSize("9"), kBought);
  ASSERT_EQ(ResolveOne(1).inventory_item(), item.name());
  v1::MarkSoldRequest request;
  v1::ItemSale& sale = *request.add_sales();
  sale.set_event_id("00000000-0000-4000-8000-000000000001");
  sale.set_inventory_item(item.name());
  sale.mutable_order()->set_order("orders/11111111-1111-4111-8111-111111111111");
  *sale.mutable_sold_at() = At(kSold);
  // Without the external id the order is a stranger to the unit that is kept for the sale.
  ASSERT_OK_AND_ASSIGN(auto response, Call(inventory_, &Inventory::MarkSold, request));
  EXPECT_EQ(response.results(0).status().code(),
            static_cast<int>(absl::StatusCode::kFailedPrecondition));

  sale.mutable_order()->set_platform("platforms/stockx");
  sale.mutable_order()->set_external_order_id("stockx_1");
  ASSERT_OK_AND_ASSIGN(response, Call(inventory_, &Inventory::MarkSold, request));

  EXPECT_EQ(response.results(0).status().code(), 0);
  EXPECT_EQ(GetItem(item.name()).status(), v1::INVENTORY_STATUS_SOLD);
  EXPECT_EQ(GetItem(item.name()).shelf_life_days(), 31);
  EXPECT_EQ(db_.QueryText("SELECT order_id || ' ' || external_order_id FROM products.item_orders"),
            "11111111-1111-4111-8111-111111111111 stockx_1");
}

TEST_F(ResolveTest, ASaleEndsTheListingsOfItsPlatform) {
  const v1::InventoryItem item = MakeItem(MakeProduct("DV0982-100"), MakeSize("9"), kBought);
  db_.Execute(absl::StrFormat(
      "INSERT INTO products.listings (inventory_item_id, platform_id, external_listing_id, status)"
      " SELECT '%s', p.id, l.id, l.status FROM core.platforms p, (VALUES ('stockx', 'L-1', "
      "'active'),"
      " ('stockx', 'L-2', 'expired'), ('ebay', 'L-3', 'active')) AS l (slug, id, status)"
      " WHERE l.slug = p.slug",
      item.name().substr(15)));
  v1::MarkSoldRequest request;
  v1::ItemSale& sale = *request.add_sales();
  sale.set_event_id("00000000-0000-4000-8000-000000000001");
  sale.set_inventory_item(item.name());
  sale.mutable_order()->set_platform("platforms/stockx");
  sale.mutable_order()->set_external_order_id("stockx_1");
  *sale.mutable_sold_at() = At(kSold);

  ASSERT_OK(Call(inventory_, &Inventory::MarkSold, request));

  EXPECT_EQ(db_.QueryText("SELECT string_agg(external_listing_id || ' ' || status, ', '"
                          " ORDER BY external_listing_id) FROM products.listings"),
            "L-1 sold, L-2 expired, L-3 active");
}

TEST_F(ResolveTest, AnItemWithoutAPurchaseDateFitsEverySale) {
  const std::string product = MakeProduct("DV0982-100");
  const std::string size = MakeSize("9");
  MakeItem(product, size, "2024-02-02T00:00:00Z");  // bought after the sale
  const std::string undated = MakeItem(product, size, kBought).name();
  db_.Execute("UPDATE products.inventory SET purchase_date = NULL WHERE id = '" +
              undated.substr(15) + "'");

  EXPECT_EQ(ResolveOne(1).inventory_item(), undated);
}

TEST_F(ResolveTest, ASaleThatNamesItsItemLeavesTheNextOneToOthers) {
  const std::string product = MakeProduct("DV0982-100");
  const std::string size = MakeSize("9");
  const std::string named = MakeItem(product, size, kBought).name();
  const std::string next = MakeItem(product, size, "2024-01-05T00:00:00Z").name();
  SetExternalId(named, "stockx_order_number", "1");
  v1::ResolveSoldItemsRequest request;
  AddSale(request, 1, "N/A");
  AddSale(request, 2);

  ASSERT_OK_AND_ASSIGN(const auto response, Resolve(inventory_, request));

  EXPECT_EQ(response.sales(0).inventory_item(), named);
  EXPECT_EQ(response.sales(1).inventory_item(), next);
}

TEST_F(ResolveTest, BadRowsAreAllNamed) {
  v1::ResolveSoldItemsRequest request;
  EXPECT_THAT(Resolve(inventory_, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("sales")));
  AddSale(request, 1);
  AddSale(request, 1);
  AddSale(request, 2).set_size_text(std::string(21, '9'));
  AddSale(request, 3).set_platform("stockx");
  AddSale(request, 4).set_item_name(std::string(256, 'n'));
  const auto refused = Resolve(inventory_, request);
  for (const char* field : {"sales[1].external_order_id", "sales[2].size_text", "sales[3].platform",
                            "sales[4].item_name"}) {
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasField(field)));
  }
  request.clear_sales();
  AddSale(request, 1).set_item_name(std::string("Nike\0Dunk", 9));
  EXPECT_THAT(Resolve(inventory_, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("sales[0].item_name")));
  request.clear_sales();
  AddSale(request, 1).set_platform("platforms/none");
  EXPECT_THAT(Resolve(inventory_, request),
              StatusIs(absl::StatusCode::kNotFound, Reason("PLATFORM_NOT_FOUND")));
  request.clear_sales();
  for (int i = 0; i <= 1000; ++i) AddSale(request, i);
  EXPECT_THAT(Resolve(inventory_, request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("SALES_OUT_OF_RANGE")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM products.inventory"), "0");
}

// Two processes import the same thousand sales, some of which find the same few items.
TEST_F(ResolveTest, ConcurrentImportsAgreeAndShareNothing) {
  const std::string product = MakeProduct("SKU-0");
  const std::string size = MakeSize("9");
  std::set<std::string> own;
  for (int i = 0; i < 5; ++i) own.insert(MakeItem(product, size, kBought).name());
  v1::ResolveSoldItemsRequest stockx;
  v1::ResolveSoldItemsRequest ebay;
  for (int i = 0; i < 1000; ++i) AddSale(stockx, i, absl::StrFormat("SKU-%d", i % 50));
  for (int i = 0; i < 200; ++i) {
    AddSale(ebay, i, absl::StrFormat("SKU-%d", i % 80)).set_platform("platforms/ebay");
  }
  CatalogServer other(db_.url("catalog_app"));
  std::vector<v1::ResolveSoldItemsResponse> responses(6);
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      Inventory stub(i % 2 == 0 ? server_.channel() : other.channel());
      const auto response = Resolve(stub, i < 4 ? stockx : ebay);
      EXPECT_OK(response);
      if (response.ok()) responses[static_cast<std::size_t>(i)] = *response;
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::set<std::string> items = ItemsOf(responses[0]);
  EXPECT_EQ(items.size(), 1000U);
  for (int i = 1; i < 4; ++i) EXPECT_EQ(ItemsOf(responses[static_cast<std::size_t>(i)]), items);
  items.merge(ItemsOf(responses[4]));
  EXPECT_EQ(items.size(), 1200U);
  for (const std::string& item : own) EXPECT_TRUE(items.contains(item));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM products.inventory"), "1200");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM products.products"), "80");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM products.item_orders"), "1200");
}

}  // namespace
}  // namespace lockstep::catalog
