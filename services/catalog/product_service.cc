#include "services/catalog/product_service.h"

#include "common/status/error.h"
#include "services/catalog/product_rules.h"
#include "services/catalog/text.h"

namespace lockstep::catalog {
namespace {

constexpr int kMaxSearchLength = 255;

// Text for LIKE that means itself.
std::string EscapeLike(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

ProductService::ProductService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner)
    : products_(ProductSpec(), pool, signer, ProductRules()),
      brands_(BrandSpec(), pool, signer, BrandRules()),
      categories_(CategorySpec(), pool, signer, CategoryRules()),
      sizes_(SizeSpec(), pool, signer, SizeRules()),
      runner_(runner) {}

absl::StatusOr<v1::ListProductsResponse> ProductService::ListMatching(
    const rpc::Call& call, const v1::ListProductsRequest& in) {
  if (CharacterCount(in.search()) > kMaxSearchLength) {
    return InvalidField("search", "TEXT_TOO_LONG", "at most 255 characters");
  }
  std::optional<Search> search;
  if (!in.search().empty()) {
    search = Search{.condition = "t.name ILIKE $1 OR t.sku ILIKE $1",
                    .value = "%" + EscapeLike(in.search()) + "%"};
  }
  return products_.List(call, in, &v1::ListProductsResponse::mutable_products, search);
}

absl::StatusOr<v1::Category> ProductService::CreateWithSlug(const rpc::Call& call,
                                                            const v1::CreateCategoryRequest& in) {
  if (!IsStrictSlug(in.category_id())) {
    return InvalidField("category_id", "SLUG_MALFORMED", "1 to 100 of a-z, 0-9 and hyphen");
  }
  return categories_.Create(call, in, in.category(), {{"slug", in.category_id()}});
}

grpc::ServerUnaryReactor* ProductService::GetProduct(grpc::CallbackServerContext* context,
                                                     const v1::GetProductRequest* request,
                                                     v1::Product* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::GetProductRequest& in) {
                         return products_.Get(call, in.name());
                       });
}

grpc::ServerUnaryReactor* ProductService::ListProducts(grpc::CallbackServerContext* context,
                                                       const v1::ListProductsRequest* request,
                                                       v1::ListProductsResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ListProductsRequest& in) {
                         return ListMatching(call, in);
                       });
}

grpc::ServerUnaryReactor* ProductService::CreateProduct(grpc::CallbackServerContext* context,
                                                        const v1::CreateProductRequest* request,
                                                        v1::Product* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::CreateProductRequest& in) {
                         return products_.Create(call, in, in.product());
                       });
}

grpc::ServerUnaryReactor* ProductService::UpdateProduct(grpc::CallbackServerContext* context,
                                                        const v1::UpdateProductRequest* request,
                                                        v1::Product* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::UpdateProductRequest& in) {
                         return products_.Update(call, in, in.product());
                       });
}

grpc::ServerUnaryReactor* ProductService::DeleteProduct(grpc::CallbackServerContext* context,
                                                        const v1::DeleteProductRequest* request,
                                                        google::protobuf::Empty* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::DeleteProductRequest& in) {
                         return products_.Delete(call, in, in.etag());
                       });
}

grpc::ServerUnaryReactor* ProductService::GetBrand(grpc::CallbackServerContext* context,
                                                   const v1::GetBrandRequest* request,
                                                   v1::Brand* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::GetBrandRequest& in) {
                         return brands_.Get(call, in.name());
                       });
}

grpc::ServerUnaryReactor* ProductService::ListBrands(grpc::CallbackServerContext* context,
                                                     const v1::ListBrandsRequest* request,
                                                     v1::ListBrandsResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ListBrandsRequest& in) {
                         return brands_.List(call, in, &v1::ListBrandsResponse::mutable_brands);
                       });
}

grpc::ServerUnaryReactor* ProductService::CreateBrand(grpc::CallbackServerContext* context,
                                                      const v1::CreateBrandRequest* request,
                                                      v1::Brand* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::CreateBrandRequest& in) {
                         return brands_.Create(call, in, in.brand());
                       });
}

grpc::ServerUnaryReactor* ProductService::UpdateBrand(grpc::CallbackServerContext* context,
                                                      const v1::UpdateBrandRequest* request,
                                                      v1::Brand* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::UpdateBrandRequest& in) {
                         return brands_.Update(call, in, in.brand());
                       });
}

grpc::ServerUnaryReactor* ProductService::DeleteBrand(grpc::CallbackServerContext* context,
                                                      const v1::DeleteBrandRequest* request,
                                                      google::protobuf::Empty* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::DeleteBrandRequest& in) {
                         return brands_.Delete(call, in, in.etag());
                       });
}

grpc::ServerUnaryReactor* ProductService::GetCategory(grpc::CallbackServerContext* context,
                                                      const v1::GetCategoryRequest* request,
                                                      v1::Category* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::GetCategoryRequest& in) {
                         return categories_.Get(call, in.name());
                       });
}

grpc::ServerUnaryReactor* ProductService::ListCategories(grpc::CallbackServerContext* context,
                                                         const v1::ListCategoriesRequest* request,
                                                         v1::ListCategoriesResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ListCategoriesRequest& in) {
                         return categories_.List(call, in,
                                                 &v1::ListCategoriesResponse::mutable_categories);
                       });
}

grpc::ServerUnaryReactor* ProductService::CreateCategory(grpc::CallbackServerContext* context,
                                                         const v1::CreateCategoryRequest* request,
                                                         v1::Category* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::CreateCategoryRequest& in) {
                         return CreateWithSlug(call, in);
                       });
}

grpc::ServerUnaryReactor* ProductService::UpdateCategory(grpc::CallbackServerContext* context,
                                                         const v1::UpdateCategoryRequest* request,
                                                         v1::Category* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::UpdateCategoryRequest& in) {
                         return categories_.Update(call, in, in.category());
                       });
}

grpc::ServerUnaryReactor* ProductService::DeleteCategory(grpc::CallbackServerContext* context,
                                                         const v1::DeleteCategoryRequest* request,
                                                         google::protobuf::Empty* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::DeleteCategoryRequest& in) {
                         return categories_.Delete(call, in, in.etag());
                       });
}

grpc::ServerUnaryReactor* ProductService::GetSize(grpc::CallbackServerContext* context,
                                                  const v1::GetSizeRequest* request,
                                                  v1::Size* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::GetSizeRequest& in) {
                         return sizes_.Get(call, in.name());
                       });
}

grpc::ServerUnaryReactor* ProductService::ListSizes(grpc::CallbackServerContext* context,
                                                    const v1::ListSizesRequest* request,
                                                    v1::ListSizesResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ListSizesRequest& in) {
                         return sizes_.List(call, in, &v1::ListSizesResponse::mutable_sizes);
                       });
}

grpc::ServerUnaryReactor* ProductService::CreateSize(grpc::CallbackServerContext* context,
                                                     const v1::CreateSizeRequest* request,
                                                     v1::Size* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::CreateSizeRequest& in) {
                         return sizes_.Create(call, in, in.size());
                       });
}

grpc::ServerUnaryReactor* ProductService::DeleteSize(grpc::CallbackServerContext* context,
                                                     const v1::DeleteSizeRequest* request,
                                                     google::protobuf::Empty* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::DeleteSizeRequest& in) {
                         return sizes_.Delete(call, in);
                       });
}

}  // namespace lockstep::catalog
