// A catalog server in this process, over a migrated database of its own, called through a channel.
// It connects as catalog_app, so the grants of the revisions are part of what is tested.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/rpc/runner.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "common/status/testing.h"
#include "common/time/proto.h"
#include "gtest/gtest.h"
#include "lockstep/catalog/v1/inventory_service.grpc.pb.h"
#include "lockstep/catalog/v1/platform_service.grpc.pb.h"
#include "lockstep/catalog/v1/product_service.grpc.pb.h"
#include "lockstep/catalog/v1/supplier_service.grpc.pb.h"
#include "services/catalog/inventory_service.h"
#include "services/catalog/platform_service.h"
#include "services/catalog/plumbing.h"
#include "services/catalog/product_service.h"
#include "services/catalog/supplier_service.h"
#include "tests/support/call.h"
#include "tests/support/test_database.h"

namespace lockstep::catalog {

using ::lockstep::testing::Call;

class CatalogServer {
 public:
  explicit CatalogServer(const std::string& database_url)
      : pool_(Options(database_url)),
        runner_({.service = "catalog"}),
        signer_(pool_, kPlumbing.signing_keys),
        platforms_(pool_, signer_, runner_),
        suppliers_(pool_, signer_, runner_),
        products_(pool_, signer_, runner_),
        inventory_(pool_, signer_, runner_) {
    auto server = rpc::Server::Start({.drain_delay = absl::ZeroDuration()},
                                     {&platforms_, &suppliers_, &products_, &inventory_}, runner_,
                                     [] { return absl::OkStatus(); });
    if (!server.ok()) ADD_FAILURE() << server.status();
    server_ = *std::move(server);
    channel_ = server_->InProcessChannel();
  }

  std::shared_ptr<grpc::Channel> channel() const { return channel_; }

 private:
  static pg::PoolOptions Options(const std::string& database_url) {
    pg::PoolOptions options;
    options.database_url = database_url;
    return options;
  }

  pg::Pool pool_;
  rpc::Runner runner_;
  paging::PageSigner signer_;
  PlatformService platforms_;
  SupplierService suppliers_;
  ProductService products_;
  InventoryService inventory_;
  std::unique_ptr<rpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

inline google::type::Money Eur(std::int64_t cents) {
  google::type::Money money;
  money.set_currency_code("EUR");
  money.set_units(cents / 100);
  money.set_nanos(static_cast<std::int32_t>(cents % 100) * 10'000'000);
  return money;
}

inline std::int64_t Cents(const google::type::Money& money) {
  return money.units() * 100 + money.nanos() / 10'000'000;
}

inline google::protobuf::Timestamp At(const std::string& rfc3339) {
  return time::ToProto(time::ParseRfc3339(rfc3339).value());
}

class CatalogTest : public ::testing::Test {
 protected:
  using Platforms = v1::PlatformService::Stub;
  using Suppliers = v1::SupplierService::Stub;
  using Products = v1::ProductService::Stub;
  using Inventory = v1::InventoryService::Stub;

  // A product of that SKU and a size, through the API; returns their names.
  std::string MakeProduct(const std::string& sku, const std::string& name = "Nike Dunk Low") {
    v1::CreateCategoryRequest category;
    category.set_category_id("sneakers");
    category.mutable_category()->set_display_name("Sneakers");
    (void)Call(products_, &Products::CreateCategory, category);
    v1::CreateProductRequest request;
    request.mutable_product()->set_sku(sku);
    request.mutable_product()->set_display_name(name);
    request.mutable_product()->set_category("categories/sneakers");
    const auto product = Call(products_, &Products::CreateProduct, request);
    EXPECT_OK(product);
    return product.ok() ? product->name() : "";
  }

  std::string MakeSize(const std::string& value, v1::SizeRegion region = v1::SIZE_REGION_US) {
    v1::CreateSizeRequest request;
    request.mutable_size()->set_value(value);
    request.mutable_size()->set_region(region);
    const auto size = Call(products_, &Products::CreateSize, request);
    EXPECT_OK(size);
    return size.ok() ? size->name() : "";
  }

  v1::InventoryItem MakeItem(const std::string& product, const std::string& size,
                             const std::string& bought, std::int64_t net_cents = 10'000) {
    v1::CreateInventoryItemRequest request;
    request.mutable_inventory_item()->set_product(product);
    request.mutable_inventory_item()->set_size(size);
    *request.mutable_inventory_item()->mutable_purchase_date() = At(bought);
    *request.mutable_inventory_item()->mutable_purchase_price() = Eur(net_cents);
    const auto item = Call(inventory_, &Inventory::CreateInventoryItem, request);
    EXPECT_OK(item);
    return item.value_or(v1::InventoryItem());
  }

  v1::InventoryItem GetItem(const std::string& name) {
    v1::GetInventoryItemRequest request;
    request.set_name(name);
    const auto item = Call(inventory_, &Inventory::GetInventoryItem, request);
    EXPECT_OK(item);
    return item.value_or(v1::InventoryItem());
  }

  lockstep::testing::TestDatabase db_ = lockstep::testing::TestDatabase::CreateMigrated();
  CatalogServer server_{db_.url("catalog_app")};
  Platforms platforms_{server_.channel()};
  Suppliers suppliers_{server_.channel()};
  Products products_{server_.channel()};
  Inventory inventory_{server_.channel()};
};

}  // namespace lockstep::catalog
