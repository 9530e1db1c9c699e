#include "tests/integration/services/catalog/catalog_server.h"

namespace lockstep::catalog {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::ElementsAre;

v1::CreateSupplierRequest NewSupplier(const std::string& name) {
  v1::CreateSupplierRequest request;
  request.mutable_supplier()->set_supplier_name(name);
  request.mutable_supplier()->set_supplier_type(v1::SUPPLIER_TYPE_RETAIL);
  return request;
}

TEST_F(CatalogTest, SupplierIsActiveAndGetsItsDefaults) {
  v1::CreateSupplierRequest request = NewSupplier("Peek & Cloppenburg");
  request.mutable_supplier()->set_supplier_category(v1::SUPPLIER_CATEGORY_GENERAL_RETAIL);
  request.mutable_supplier()->set_status(v1::SUPPLIER_STATUS_CLOSED);
  request.mutable_supplier()->set_vat_rate("19");
  request.mutable_supplier()->add_tags("outlet");
  request.mutable_supplier()->add_tags("m\xc3\xbcnchen");
  *request.mutable_supplier()->mutable_minimum_order_amount() = Eur(2'550);

  ASSERT_OK_AND_ASSIGN(const v1::Supplier supplier,
                       Call(suppliers_, &Suppliers::CreateSupplier, request));

  EXPECT_EQ(supplier.slug(), "peek-and-cloppenburg");
  EXPECT_EQ(supplier.status(), v1::SUPPLIER_STATUS_ACTIVE);
  EXPECT_EQ(supplier.supplier_category(), v1::SUPPLIER_CATEGORY_GENERAL_RETAIL);
  EXPECT_EQ(supplier.country(), "Germany");
  EXPECT_EQ(supplier.vat_rate(), "19.00");
  EXPECT_EQ(Cents(supplier.minimum_order_amount()), 2'550);
  EXPECT_THAT(supplier.tags(), ElementsAre("outlet", "m\xc3\xbcnchen"));
  EXPECT_EQ(Cents(supplier.total_order_value()), 0);
  EXPECT_FALSE(supplier.has_average_order_value());
}

TEST_F(CatalogTest, SupplierNamesAreUniqueWithoutRegardToCase) {
  ASSERT_OK(Call(suppliers_, &Suppliers::CreateSupplier, NewSupplier("Zalando")));

  EXPECT_THAT(Call(suppliers_, &Suppliers::CreateSupplier, NewSupplier("ZALANDO")),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("SUPPLIER_TAKEN")));
}

TEST_F(CatalogTest, SupplierFieldsAreChecked) {
  v1::CreateSupplierRequest request = NewSupplier("X");
  request.mutable_supplier()->set_supplier_type(v1::SUPPLIER_TYPE_UNSPECIFIED);
  request.mutable_supplier()->set_rating("5.01");
  request.mutable_supplier()->set_return_policy_days(-1);
  request.mutable_supplier()->add_tags("");
  request.mutable_supplier()->mutable_minimum_order_amount()->set_currency_code("USD");
  request.mutable_supplier()->mutable_minimum_order_amount()->set_units(1);
  auto refused = Call(suppliers_, &Suppliers::CreateSupplier, request);
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("supplier.supplier_type")));
  request.mutable_supplier()->set_supplier_type(v1::SUPPLIER_TYPE_RETAIL);
  refused = Call(suppliers_, &Suppliers::CreateSupplier, request);
  for (const char* field : {"supplier.rating", "supplier.return_policy_days", "supplier.tags[0]",
                            "supplier.minimum_order_amount.currency_code"}) {
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasField(field)));
  }
}

TEST_F(CatalogTest, SupplierMovesThroughItsOwnMethod) {
  ASSERT_OK_AND_ASSIGN(const v1::Supplier supplier,
                       Call(suppliers_, &Suppliers::CreateSupplier, NewSupplier("Zalando")));
  v1::TransitionSupplierRequest request;
  request.set_name(supplier.name());
  request.set_status(v1::SUPPLIER_STATUS_SUSPENDED);
  request.set_etag(supplier.etag());

  ASSERT_OK_AND_ASSIGN(const auto moved, Call(suppliers_, &Suppliers::TransitionSupplier, request));

  EXPECT_EQ(moved.supplier().status(), v1::SUPPLIER_STATUS_SUSPENDED);
  EXPECT_THAT(Call(suppliers_, &Suppliers::TransitionSupplier, request),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
  request.clear_etag();
  ASSERT_OK_AND_ASSIGN(const auto again, Call(suppliers_, &Suppliers::TransitionSupplier, request));
  EXPECT_EQ(again.supplier().etag(), moved.supplier().etag());
}

TEST_F(CatalogTest, SupplierKeepsItsSlugAndLosesOptionalValues) {
  v1::CreateSupplierRequest create = NewSupplier("Zalando");
  create.mutable_supplier()->set_city("Berlin");
  ASSERT_OK_AND_ASSIGN(const v1::Supplier supplier,
                       Call(suppliers_, &Suppliers::CreateSupplier, create));
  v1::UpdateSupplierRequest update;
  *update.mutable_supplier() = supplier;
  update.mutable_supplier()->set_slug("other");
  EXPECT_THAT(Call(suppliers_, &Suppliers::UpdateSupplier, update),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FIELD_IMMUTABLE")));

  *update.mutable_supplier() = supplier;
  update.mutable_supplier()->clear_city();
  update.mutable_supplier()->clear_country();
  update.mutable_update_mask()->add_paths("*");
  ASSERT_OK_AND_ASSIGN(const v1::Supplier changed,
                       Call(suppliers_, &Suppliers::UpdateSupplier, update));
  EXPECT_FALSE(changed.has_city());
  EXPECT_FALSE(changed.has_country());
  EXPECT_EQ(changed.slug(), "zalando");
}

TEST_F(CatalogTest, SuppliersAreFilteredByEnumeration) {
  ASSERT_OK(Call(suppliers_, &Suppliers::CreateSupplier, NewSupplier("A")));
  v1::CreateSupplierRequest online = NewSupplier("B");
  online.mutable_supplier()->set_supplier_type(v1::SUPPLIER_TYPE_ONLINE);
  ASSERT_OK(Call(suppliers_, &Suppliers::CreateSupplier, online));
  v1::ListSuppliersRequest request;
  for (const char* filter : {"supplier_type = \"online\"", "supplier_type = SUPPLIER_TYPE_ONLINE",
                             "supplier_type = online AND status = active"}) {
    request.set_filter(filter);
    ASSERT_OK_AND_ASSIGN(const auto page, Call(suppliers_, &Suppliers::ListSuppliers, request));
    ASSERT_EQ(page.suppliers_size(), 1) << filter;
    EXPECT_EQ(page.suppliers(0).supplier_name(), "B");
  }
}

}  // namespace
}  // namespace lockstep::catalog
