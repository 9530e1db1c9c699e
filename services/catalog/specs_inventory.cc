// Inventory items.
#include "lockstep/catalog/v1/inventory_service.pb.h"
#include "services/catalog/spec_builders.h"

namespace lockstep::catalog {

using namespace spec;  // NOLINT(google-build-using-namespace): the rows read like a table

const ResourceSpec& ItemSpec() {
  static const std::string& status_prefix = *new std::string("INVENTORY_STATUS_");
  static const std::string& detailed_prefix = *new std::string("DETAILED_STATUS_");
  static const std::string& is_placeholder =
      *new std::string("coalesce((t.external_ids ->> 'is_placeholder')::boolean, false)");
  Column quantity = Number("quantity", "quantity", "0", "1000000");
  quantity.is_not_null = true;
  Column net = Plain("purchase_price", "purchase_price", Kind::kMoney);
  net.is_positive = true;
  Column gross = Plain("gross_purchase_price", "gross_purchase_price", Kind::kMoney);
  gross.is_positive = true;
  Column placeholder = Plain("is_placeholder", "external_ids", Kind::kBool, Access::kOutput);
  placeholder.select_sql = is_placeholder;
  // The mark of a placeholder survives the replacement of the ids.
  const Column external_ids = {
      .field = "external_ids",
      .column = "external_ids",
      .kind = Kind::kTextMap,
      .max_length = 500,
      .is_not_null = true,
      .update_sql =
          "$::jsonb || CASE WHEN t.external_ids ? 'is_placeholder' THEN jsonb_build_object("
          "'is_placeholder', t.external_ids -> 'is_placeholder') ELSE '{}' END"};
  static const auto& spec = *new ResourceSpec{
      .collection = Items(),
      .field = "inventory_item",
      .taken_reason = "ITEM_TAKEN",
      .in_use_reason = "ITEM_IN_USE",
      .columns = {Reference("product", "product_id", Products(), Access::kRequired),
                  Reference("size", "size_id", Sizes(), Access::kRequired),
                  Reference("supplier", "supplier_id", Suppliers()),
                  Text("supplier_text", "supplier", 100),
                  quantity,
                  net,
                  gross,
                  Plain("vat_amount", "vat_amount", Kind::kMoney, Access::kOutput),
                  Decimal("vat_rate", "vat_rate", "100"),
                  Plain("purchase_date", "purchase_date", Kind::kTime),
                  Plain("delivery_date", "delivery_date", Kind::kTime),
                  Enum("status", "status", status_prefix, Access::kOutput),
                  Enum("detailed_status", "detailed_status", detailed_prefix),
                  Text("location", "location", 50),
                  Flag("listed_stockx", "listed_stockx"),
                  Flag("listed_alias", "listed_alias"),
                  Flag("listed_local", "listed_local"),
                  Text("notes", "notes", kLongText),
                  external_ids,
                  placeholder,
                  Plain("shelf_life_days", "shelf_life_days", Kind::kInteger, Access::kOutput),
                  Created(),
                  Updated()},
      .joins = " JOIN products.products p ON p.id = t.product_id",
      .list = {
          .method = "ListInventoryItems",
          .filter_fields = {FilterByEnum("status", "t.status", v1::InventoryStatus_descriptor(),
                                         status_prefix),
                            FilterByEnum("detailed_status", "t.detailed_status",
                                         v1::DetailedStatus_descriptor(), detailed_prefix),
                            FilterByName("product", "t.product_id", Type::kUuid, Products()),
                            FilterByName("size", "t.size_id", Type::kUuid, Sizes()),
                            FilterByName("supplier", "t.supplier_id", Type::kUuid, Suppliers()),
                            FilterByName("brand", "p.brand_id", Type::kUuid, Brands()),
                            Filter("sku", "p.sku", Type::kText),
                            Filter("location", "t.location", Type::kText),
                            Filter("quantity", "t.quantity", Type::kInteger),
                            Filter("purchase_price", "t.purchase_price", Type::kDecimal),
                            FilterByTime("purchase_date"), FilterByTime("delivery_date"),
                            Filter("is_placeholder", is_placeholder, Type::kBool),
                            FilterByTime("created_at"), FilterByTime("updated_at")},
          .sort_fields = {SortByTime("created_at"), SortByTime("updated_at"),
                          SortByTime("purchase_date", true),
                          Sort("purchase_price", "t.purchase_price", Type::kDecimal, true)},
          .key = Key(),
          .default_order_by = "created_at desc"}};
  return spec;
}

}  // namespace lockstep::catalog
