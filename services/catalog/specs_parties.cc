// Platforms and suppliers, and the names of all collections.
#include "lockstep/catalog/v1/platform_service.pb.h"
#include "lockstep/catalog/v1/supplier_service.pb.h"
#include "services/catalog/spec_builders.h"

namespace lockstep::catalog {

using namespace spec;  // NOLINT(google-build-using-namespace): the rows read like a table

const Collection& Platforms() {
  static const auto& collection =
      *new Collection{"platforms", "core.platforms", "slug", "PLATFORM_NOT_FOUND"};
  return collection;
}

const Collection& Suppliers() {
  static const auto& collection =
      *new Collection{"suppliers", "core.suppliers", "id", "SUPPLIER_NOT_FOUND"};
  return collection;
}

const Collection& Brands() {
  static const auto& collection =
      *new Collection{"brands", "products.brands", "id", "BRAND_NOT_FOUND"};
  return collection;
}

const Collection& Categories() {
  static const auto& collection =
      *new Collection{"categories", "products.categories", "slug", "CATEGORY_NOT_FOUND"};
  return collection;
}

const Collection& Sizes() {
  static const auto& collection =
      *new Collection{"sizes", "products.sizes", "id", "SIZE_NOT_FOUND"};
  return collection;
}

const Collection& Products() {
  static const auto& collection =
      *new Collection{"products", "products.products", "id", "PRODUCT_NOT_FOUND"};
  return collection;
}

const Collection& Items() {
  static const auto& collection =
      *new Collection{"inventoryItems", "products.inventory", "id", "ITEM_NOT_FOUND"};
  return collection;
}

const ResourceSpec& PlatformSpec() {
  static const auto& spec = *new ResourceSpec{
      .collection = Platforms(),
      .field = "platform",
      .taken_reason = "PLATFORM_TAKEN",
      .in_use_reason = "PLATFORM_IN_USE",
      .columns = {Text("display_name", "name", 100, Access::kRequired),
                  Decimal("fee_percentage", "fee_percentage", "100"),
                  Flag("supports_fees", "supports_fees"), Flag("active", "active"), Created(),
                  Updated()},
      .list = {.method = "ListPlatforms",
               .filter_fields = {FilterByName("platform", "t.slug", Type::kText, Platforms()),
                                 Filter("display_name", "t.name", Type::kText),
                                 Filter("fee_percentage", "t.fee_percentage", Type::kDecimal),
                                 Filter("supports_fees", "t.supports_fees", Type::kBool),
                                 Filter("active", "t.active", Type::kBool),
                                 FilterByTime("created_at"), FilterByTime("updated_at")},
               .sort_fields = {Sort("display_name", "t.name", Type::kText),
                               SortByTime("created_at"), SortByTime("updated_at")},
               .key = Key(),
               .default_order_by = "display_name"}};
  return spec;
}

const ResourceSpec& SupplierSpec() {
  static const std::string& type_prefix = *new std::string("SUPPLIER_TYPE_");
  static const std::string& category_prefix = *new std::string("SUPPLIER_CATEGORY_");
  static const std::string& status_prefix = *new std::string("SUPPLIER_STATUS_");
  static const auto& spec = *new ResourceSpec{
      .collection = Suppliers(),
      .field = "supplier",
      .taken_reason = "SUPPLIER_TAKEN",
      .in_use_reason = "SUPPLIER_IN_USE",
      .columns = {Text("supplier_name", "name", 100, Access::kRequired),
                  Text("slug", "slug", 100, Access::kImmutable),
                  Text("display_name", "display_name", 150),
                  Enum("supplier_type", "supplier_type", type_prefix, Access::kRequired),
                  Enum("supplier_category", "supplier_category", category_prefix),
                  Enum("status", "status", status_prefix, Access::kOutput),
                  Text("default_email", "default_email", 255),
                  Text("email", "email", 100),
                  Text("phone", "phone", 50),
                  Text("website", "website", 200),
                  Text("city", "city", 100),
                  Text("country", "country", 50),
                  Decimal("vat_rate", "vat_rate", "100"),
                  Text("vat_number", "vat_number", 50),
                  Number("return_policy_days", "return_policy_days", "0", "36500"),
                  Text("return_policy", "return_policy", kLongText),
                  Text("payment_terms", "payment_terms", 100),
                  Plain("minimum_order_amount", "minimum_order_amount", Kind::kMoney),
                  Decimal("rating", "rating", "5"),
                  Flag("preferred", "preferred"),
                  Flag("verified", "verified"),
                  Number("average_processing_days", "average_processing_days", "0", "36500"),
                  Plain("total_orders_count", "total_orders_count", Kind::kInteger,
                        Access::kOutput),
                  Plain("total_order_value", "total_order_value", Kind::kMoney, Access::kOutput),
                  Plain("average_order_value", "average_order_value", Kind::kMoney,
                        Access::kOutput),
                  Plain("last_order_date", "last_order_date", Kind::kTime, Access::kOutput),
                  Text("notes", "notes", kLongText),
                  {.field = "tags", .column = "tags", .kind = Kind::kTextList, .max_length = 50},
                  Created(),
                  Updated()},
      .list = {.method = "ListSuppliers",
               .filter_fields = {Filter("supplier_name", "t.name", Type::kText),
                                 Filter("slug", "t.slug", Type::kText),
                                 FilterByEnum("supplier_type", "t.supplier_type",
                                              v1::SupplierType_descriptor(), type_prefix),
                                 FilterByEnum("supplier_category", "t.supplier_category",
                                              v1::SupplierCategory_descriptor(), category_prefix),
                                 FilterByEnum("status", "t.status", v1::SupplierStatus_descriptor(),
                                              status_prefix),
                                 Filter("city", "t.city", Type::kText),
                                 Filter("country", "t.country", Type::kText),
                                 Filter("preferred", "t.preferred", Type::kBool),
                                 Filter("verified", "t.verified", Type::kBool),
                                 FilterByTime("created_at"), FilterByTime("updated_at")},
               .sort_fields = {Sort("supplier_name", "t.name", Type::kText),
                               SortByTime("created_at"), SortByTime("updated_at")},
               .key = Key(),
               .default_order_by = "supplier_name"}};
  return spec;
}

}  // namespace lockstep::catalog
