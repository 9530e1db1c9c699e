#include <atomic>
#include <thread>

#include "tests/integration/services/catalog/catalog_server.h"

namespace lockstep::catalog {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

class ProductTest : public CatalogTest {
 protected:
  absl::StatusOr<v1::Brand> MakeBrand(const std::string& name,
                                      const std::vector<std::string>& patterns,
                                      int priority = 100) {
    v1::CreateBrandRequest request;
    request.mutable_brand()->set_display_name(name);
    for (const std::string& text : patterns) {
      v1::BrandPattern& pattern = *request.mutable_brand()->add_patterns();
      pattern.set_pattern(text);
      pattern.set_priority(priority);
    }
    return Call(products_, &Products::CreateBrand, request);
  }

  v1::Product GetProduct(const std::string& name) {
    v1::GetProductRequest request;
    request.set_name(name);
    return Call(products_, &Products::GetProduct, request).value_or(v1::Product());
  }
};

TEST_F(ProductTest, BrandIsDerivedFromTheName) {
  ASSERT_OK_AND_ASSIGN(const v1::Brand nike, MakeBrand("Nike", {"^nike\\b", "\\bdunk\\b"}));
  ASSERT_OK_AND_ASSIGN(const v1::Brand off_white, MakeBrand("Off-White", {"off-white"}, 10));
  // What other programs stored and cannot be read is skipped.
  db_.Execute(
      "INSERT INTO products.brand_patterns (brand_id, pattern, priority)"
      " SELECT id, '(', 0 FROM products.brands LIMIT 1");

  EXPECT_EQ(GetProduct(MakeProduct("A-1", "Kith Dunk Low")).brand(), nike.name());
  EXPECT_EQ(GetProduct(MakeProduct("A-2", "NIKE x OFF-WHITE Dunk")).brand(), off_white.name());
  EXPECT_FALSE(GetProduct(MakeProduct("A-3", "LEGO Set")).has_brand());
}

TEST_F(ProductTest, SkusAreCheckedAndUnique) {
  const std::string name = MakeProduct("DV0982-100");
  v1::CreateProductRequest request;
  *request.mutable_product() = GetProduct(name);
  EXPECT_THAT(Call(products_, &Products::CreateProduct, request),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("SKU_TAKEN")));
  for (const char* sku : {"nan", "None", "NULL", "n/a"}) {
    request.mutable_product()->set_sku(sku);
    EXPECT_THAT(Call(products_, &Products::CreateProduct, request),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("SKU_INVALID")));
  }
  request.mutable_product()->set_sku("X");
  request.mutable_product()->set_category("categories/none");
  EXPECT_THAT(Call(products_, &Products::CreateProduct, request),
              StatusIs(absl::StatusCode::kNotFound, Reason("CATEGORY_NOT_FOUND")));
  request.mutable_product()->set_category("categories/sneakers");
  *request.mutable_product()->mutable_retail_price() = Eur(-1);
  EXPECT_THAT(Call(products_, &Products::CreateProduct, request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("product.retail_price")));
}

TEST_F(ProductTest, DeleteIsRefusedWhileInventoryExists) {
  const std::string product = MakeProduct("DV0982-100");
  const v1::InventoryItem item = MakeItem(product, MakeSize("9"), "2024-01-01T00:00:00Z");
  v1::DeleteProductRequest request;
  request.set_name(product);
  EXPECT_THAT(Call(products_, &Products::DeleteProduct, request),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("PRODUCT_IN_USE")));

  v1::DeleteInventoryItemRequest delete_item;
  delete_item.set_name(item.name());
  delete_item.set_etag("old");
  EXPECT_THAT(Call(inventory_, &Inventory::DeleteInventoryItem, delete_item),
              StatusIs(absl::StatusCode::kAborted, Reason("ETAG_MISMATCH")));
  delete_item.set_etag(item.etag());
  ASSERT_OK(Call(inventory_, &Inventory::DeleteInventoryItem, delete_item));
  ASSERT_OK(Call(products_, &Products::DeleteProduct, request));
  EXPECT_THAT(Call(products_, &Products::DeleteProduct, request),
              StatusIs(absl::StatusCode::kNotFound, Reason("PRODUCT_NOT_FOUND")));
}

TEST_F(ProductTest, SearchFindsTextLiterally) {
  MakeProduct("A-1", "Nike Dunk 100% Wool");
  MakeProduct("A-2", "Nike Dunk 1000 Wool");
  MakeProduct("B_2", "Adidas Samba");
  v1::ListProductsRequest request;
  request.set_search("100%");
  ASSERT_OK_AND_ASSIGN(auto page, Call(products_, &Products::ListProducts, request));
  ASSERT_EQ(page.products_size(), 1);
  EXPECT_EQ(page.products(0).sku(), "A-1");
  request.set_search("b_");
  ASSERT_OK_AND_ASSIGN(page, Call(products_, &Products::ListProducts, request));
  ASSERT_EQ(page.products_size(), 1);
  EXPECT_EQ(page.products(0).sku(), "B_2");

  request.set_search("dunk");
  request.set_filter("sku > \"A\"");
  request.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(page, Call(products_, &Products::ListProducts, request));
  request.set_page_token(page.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto second, Call(products_, &Products::ListProducts, request));
  EXPECT_NE(page.products(0).name(), second.products(0).name());
  EXPECT_EQ(second.next_page_token(), "");
  request.set_search("wool");
  EXPECT_THAT(Call(products_, &Products::ListProducts, request),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PAGE_TOKEN_INVALID")));
}

TEST_F(ProductTest, PatternsAreReplacedAndBelongToOneBrand) {
  ASSERT_OK_AND_ASSIGN(const v1::Brand nike, MakeBrand("Nike", {"nike", "dunk"}));
  ASSERT_EQ(nike.patterns_size(), 2);
  EXPECT_THAT(MakeBrand("Jordan", {"dunk"}),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("PATTERN_TAKEN")));
  EXPECT_THAT(MakeBrand("Jordan", {"(jordan"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("brand.patterns[0].pattern")));
  EXPECT_THAT(MakeBrand("Nike", {}),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("BRAND_TAKEN")));

  v1::UpdateBrandRequest update;
  update.mutable_brand()->set_name(nike.name());
  update.mutable_brand()->add_patterns()->set_pattern("nike");
  update.mutable_brand()->mutable_patterns(0)->set_priority(5);
  update.mutable_brand()->add_patterns()->set_pattern("air force");
  ASSERT_OK_AND_ASSIGN(const v1::Brand changed, Call(products_, &Products::UpdateBrand, update));
  ASSERT_EQ(changed.patterns_size(), 2);
  EXPECT_EQ(changed.patterns(0).pattern(), "nike");
  EXPECT_EQ(changed.patterns(0).priority(), 5);
  EXPECT_EQ(absl::FormatTime(time::FromProto(changed.patterns(0).created_at(), "").value()),
            absl::FormatTime(time::FromProto(nike.patterns(0).created_at(), "").value()));
  EXPECT_EQ(changed.patterns(1).priority(), 100);
  EXPECT_NE(changed.etag(), nike.etag());
  update.mutable_brand()->clear_patterns();
  update.mutable_update_mask()->add_paths("patterns");
  ASSERT_OK_AND_ASSIGN(const v1::Brand bare, Call(products_, &Products::UpdateBrand, update));
  EXPECT_EQ(bare.patterns_size(), 0);
  EXPECT_EQ(bare.display_name(), "Nike");
}

TEST_F(ProductTest, BrandsInUseStay) {
  ASSERT_OK_AND_ASSIGN(const v1::Brand nike, MakeBrand("Nike", {"nike"}));
  MakeProduct("A-1", "Nike Dunk");
  v1::DeleteBrandRequest request;
  request.set_name(nike.name());
  EXPECT_THAT(Call(products_, &Products::DeleteBrand, request),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("BRAND_IN_USE")));
  v1::UpdateBrandRequest update;
  update.mutable_brand()->set_name(nike.name());
  update.mutable_brand()->set_parent_brand(nike.name());
  EXPECT_THAT(Call(products_, &Products::UpdateBrand, update),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PARENT_IS_SELF")));
}

TEST_F(ProductTest, NoBrandIsItsOwnAncestor) {
  std::vector<std::string> names;
  for (const char* name : {"A", "B", "C"}) {
    ASSERT_OK_AND_ASSIGN(const v1::Brand brand, MakeBrand(name, {name}));
    names.push_back(brand.name());
  }
  const auto put_under = [&](int child, int parent) {
    v1::UpdateBrandRequest update;
    update.mutable_brand()->set_name(names[child]);
    update.mutable_brand()->set_parent_brand(names[parent]);
    return Call(products_, &Products::UpdateBrand, update).status();
  };
  EXPECT_OK(put_under(0, 1));
  EXPECT_OK(put_under(1, 2));
  for (const int parent : {0, 1}) {
    EXPECT_THAT(put_under(2, parent),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("PARENT_IS_DESCENDANT")));
  }
  EXPECT_OK(put_under(0, 2));
}

// Each change alone is fine, all three together are a circle.
TEST_F(ProductTest, NoBrandBecomesItsOwnAncestorByChangesAtOnce) {
  std::vector<std::string> names;
  for (const char* name : {"A", "B", "C"}) {
    ASSERT_OK_AND_ASSIGN(const v1::Brand brand, MakeBrand(name, {name}));
    names.push_back(brand.name());
  }
  for (int round = 0; round < 5; ++round) {
    db_.Execute("UPDATE products.brands SET parent_brand_id = NULL");
    std::atomic<int> refused = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        v1::UpdateBrandRequest update;
        update.mutable_brand()->set_name(names[i]);
        update.mutable_brand()->set_parent_brand(names[(i + 1) % 3]);
        if (!Call(products_, &Products::UpdateBrand, update).ok()) ++refused;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(db_.QueryText("SELECT count(*) FROM products.brands WHERE parent_brand_id IS NULL"),
              "1");
  }
}

TEST_F(ProductTest, CategoriesKeepThePathOfNames) {
  const auto make = [&](const std::string& id, const std::string& name, const std::string& parent) {
    v1::CreateCategoryRequest request;
    request.set_category_id(id);
    request.mutable_category()->set_display_name(name);
    if (!parent.empty()) request.mutable_category()->set_parent(parent);
    return Call(products_, &Products::CreateCategory, request);
  };
  ASSERT_OK(make("footwear", "Footwear", ""));
  ASSERT_OK(make("sneakers", "Sneakers", "categories/footwear"));
  ASSERT_OK_AND_ASSIGN(const v1::Category low, make("low", "Low", "categories/sneakers"));
  EXPECT_EQ(low.path(), "Footwear/Sneakers/Low");
  EXPECT_EQ(low.parent(), "categories/sneakers");
  EXPECT_THAT(make("low", "Again", ""),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("CATEGORY_TAKEN")));

  v1::UpdateCategoryRequest update;
  update.mutable_category()->set_name("categories/sneakers");
  update.mutable_category()->set_display_name("Trainers");
  ASSERT_OK_AND_ASSIGN(const v1::Category renamed,
                       Call(products_, &Products::UpdateCategory, update));
  EXPECT_EQ(renamed.path(), "Footwear/Trainers");
  v1::ListCategoriesRequest list;
  list.set_filter("parent = \"categories/sneakers\"");
  ASSERT_OK_AND_ASSIGN(const auto page, Call(products_, &Products::ListCategories, list));
  ASSERT_EQ(page.categories_size(), 1);
  EXPECT_EQ(page.categories(0).path(), "Footwear/Trainers/Low");
  v1::DeleteCategoryRequest remove;
  remove.set_name("categories/footwear");
  EXPECT_THAT(Call(products_, &Products::DeleteCategory, remove),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("CATEGORY_IN_USE")));
}

TEST_F(ProductTest, SizesAreUniqueByCategoryRegionAndValue) {
  MakeSize("42", v1::SIZE_REGION_EU);
  MakeSize("42", v1::SIZE_REGION_US);
  v1::CreateSizeRequest request;
  request.mutable_size()->set_value("42");
  request.mutable_size()->set_region(v1::SIZE_REGION_EU);
  EXPECT_THAT(Call(products_, &Products::CreateSize, request),
              StatusIs(absl::StatusCode::kAlreadyExists, Reason("SIZE_TAKEN")));
  request.mutable_size()->set_value("7W");
  ASSERT_OK_AND_ASSIGN(const v1::Size size, Call(products_, &Products::CreateSize, request));
  EXPECT_EQ(size.standardized_value(), "7.0");

  v1::ListSizesRequest list;
  list.set_filter("region = \"EU\"");
  ASSERT_OK_AND_ASSIGN(const auto page, Call(products_, &Products::ListSizes, list));
  ASSERT_EQ(page.sizes_size(), 2);
  EXPECT_EQ(page.sizes(0).value(), "7W");
  v1::DeleteSizeRequest remove;
  remove.set_name(size.name());
  EXPECT_OK(Call(products_, &Products::DeleteSize, remove));
}

}  // namespace
}  // namespace lockstep::catalog
