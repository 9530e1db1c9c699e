// Brands, categories, sizes and products.
#include "lockstep/catalog/v1/product_service.pb.h"
#include "services/catalog/spec_builders.h"

namespace lockstep::catalog {

using namespace spec;  // NOLINT(google-build-using-namespace): the rows read like a table

const ResourceSpec& BrandSpec() {
  static const auto& spec = *new ResourceSpec{
      .collection = Brands(),
      .field = "brand",
      .taken_reason = "BRAND_TAKEN",
      .in_use_reason = "BRAND_IN_USE",
      .columns = {Text("display_name", "name", 100, Access::kRequired),
                  Text("slug", "slug", 100, Access::kImmutable), Text("segment", "segment", 50),
                  Text("price_tier", "price_tier", 50),
                  Text("target_demographic", "target_demographic", 50),
                  Flag("is_collaboration", "is_collaboration"),
                  Reference("parent_brand", "parent_brand_id", Brands()), Created(), Updated()},
      .own_fields = {"patterns"},
      .list = {.method = "ListBrands",
               .filter_fields = {Filter("display_name", "t.name", Type::kText),
                                 Filter("slug", "t.slug", Type::kText),
                                 Filter("segment", "t.segment", Type::kText),
                                 Filter("price_tier", "t.price_tier", Type::kText),
                                 Filter("target_demographic", "t.target_demographic", Type::kText),
                                 Filter("is_collaboration", "t.is_collaboration", Type::kBool),
                                 FilterByName("parent_brand", "t.parent_brand_id", Type::kUuid,
                                              Brands()),
                                 FilterByTime("created_at"), FilterByTime("updated_at")},
               .sort_fields = {Sort("display_name", "t.name", Type::kText),
                               SortByTime("created_at"), SortByTime("updated_at")},
               .key = Key(),
               .default_order_by = "display_name"}};
  return spec;
}

const ResourceSpec& CategorySpec() {
  static const auto& spec = *new ResourceSpec{
      .collection = Categories(),
      .field = "category",
      .taken_reason = "CATEGORY_TAKEN",
      .in_use_reason = "CATEGORY_IN_USE",
      .columns = {Text("display_name", "name", 100, Access::kRequired),
                  Reference("parent", "parent_id", Categories(), Access::kImmutable),
                  Text("path", "path", 500, Access::kOutput), Created(), Updated()},
      .list = {.method = "ListCategories",
               .filter_fields = {Filter("display_name", "t.name", Type::kText),
                                 FilterByName("category", "t.slug", Type::kText, Categories()),
                                 FilterByName("parent", SlugOfCategory("parent_id"), Type::kText,
                                              Categories()),
                                 Filter("path", "t.path", Type::kText), FilterByTime("created_at"),
                                 FilterByTime("updated_at")},
               .sort_fields = {Sort("path", "t.path", Type::kText, true),
                               Sort("display_name", "t.name", Type::kText),
                               SortByTime("created_at"), SortByTime("updated_at")},
               .key = Key(),
               .default_order_by = "path"}};
  return spec;
}

const ResourceSpec& SizeSpec() {
  Column region = Enum("region", "region", "SIZE_REGION_", Access::kRequiredImmutable);
  region.is_upper_case = true;
  filter::Field by_region =
      FilterByEnum("region", "t.region", v1::SizeRegion_descriptor(), "SIZE_REGION_");
  by_region.values = {"US", "UK", "EU", "JP", "KR", "CM", "UNKNOWN"};
  by_region.normalise = nullptr;
  static const auto& spec = *new ResourceSpec{
      .collection = Sizes(),
      .field = "size",
      .taken_reason = "SIZE_TAKEN",
      .in_use_reason = "SIZE_IN_USE",
      .columns = {Reference("category", "category_id", Categories(), Access::kImmutable),
                  Text("value", "value", 20, Access::kRequiredImmutable), region,
                  Plain("standardized_value", "standardized_value", Kind::kDecimal,
                        Access::kOutput),
                  Created()},
      .has_etag = false,
      .list = {
          .method = "ListSizes",
          .filter_fields = {Filter("value", "t.value", Type::kText), by_region,
                            FilterByName("category", SlugOfCategory("category_id"), Type::kText,
                                         Categories()),
                            Filter("standardized_value", "t.standardized_value", Type::kDecimal),
                            FilterByTime("created_at")},
          .sort_fields = {Sort("value", "t.value", Type::kText),
                          Sort("region", "t.region", Type::kText),
                          Sort("standardized_value", "t.standardized_value", Type::kDecimal, true),
                          SortByTime("created_at")},
          .key = Key(),
          .default_order_by = "region, standardized_value, value"}};
  return spec;
}

const ResourceSpec& ProductSpec() {
  static const auto& spec = *new ResourceSpec{
      .collection = Products(),
      .field = "product",
      .taken_reason = "SKU_TAKEN",
      .in_use_reason = "PRODUCT_IN_USE",
      .columns = {Text("sku", "sku", 100, Access::kRequired),
                  Reference("brand", "brand_id", Brands()),
                  Reference("category", "category_id", Categories(), Access::kRequired),
                  Text("display_name", "name", 255, Access::kRequired),
                  Text("description", "description", kLongText),
                  Plain("retail_price", "retail_price", Kind::kMoney),
                  Plain("avg_resale_price", "avg_resale_price", Kind::kMoney),
                  Plain("release_date", "release_date", Kind::kTime), Created(), Updated()},
      .list = {.method = "ListProducts",
               .filter_fields = {Filter("sku", "t.sku", Type::kText),
                                 Filter("display_name", "t.name", Type::kText),
                                 FilterByName("brand", "t.brand_id", Type::kUuid, Brands()),
                                 FilterByName("category", SlugOfCategory("category_id"),
                                              Type::kText, Categories()),
                                 Filter("retail_price", "t.retail_price", Type::kDecimal),
                                 FilterByTime("release_date"), FilterByTime("created_at"),
                                 FilterByTime("updated_at")},
               .sort_fields = {Sort("display_name", "t.name", Type::kText),
                               Sort("sku", "t.sku", Type::kText), SortByTime("created_at"),
                               SortByTime("updated_at"), SortByTime("release_date", true)},
               .key = Key(),
               .default_order_by = "display_name"}};
  return spec;
}

}  // namespace lockstep::catalog
