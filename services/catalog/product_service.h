// lockstep.catalog.v1.ProductService: transport.
#pragma once

#include "common/rpc/runner.h"
#include "lockstep/catalog/v1/product_service.grpc.pb.h"
#include "services/catalog/resources.h"

namespace lockstep::catalog {

class ProductService final : public v1::ProductService::CallbackService {
 public:
  ProductService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner);

  grpc::ServerUnaryReactor* GetProduct(grpc::CallbackServerContext* context,
                                       const v1::GetProductRequest* request,
                                       v1::Product* response) override;
  grpc::ServerUnaryReactor* ListProducts(grpc::CallbackServerContext* context,
                                         const v1::ListProductsRequest* request,
                                         v1::ListProductsResponse* response) override;
  grpc::ServerUnaryReactor* CreateProduct(grpc::CallbackServerContext* context,
                                          const v1::CreateProductRequest* request,
                                          v1::Product* response) override;
  grpc::ServerUnaryReactor* UpdateProduct(grpc::CallbackServerContext* context,
                                          const v1::UpdateProductRequest* request,
                                          v1::Product* response) override;
  grpc::ServerUnaryReactor* DeleteProduct(grpc::CallbackServerContext* context,
                                          const v1::DeleteProductRequest* request,
                                          google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetBrand(grpc::CallbackServerContext* context,
                                     const v1::GetBrandRequest* request,
                                     v1::Brand* response) override;
  grpc::ServerUnaryReactor* ListBrands(grpc::CallbackServerContext* context,
                                       const v1::ListBrandsRequest* request,
                                       v1::ListBrandsResponse* response) override;
  grpc::ServerUnaryReactor* CreateBrand(grpc::CallbackServerContext* context,
                                        const v1::CreateBrandRequest* request,
                                        v1::Brand* response) override;
  grpc::ServerUnaryReactor* UpdateBrand(grpc::CallbackServerContext* context,
                                        const v1::UpdateBrandRequest* request,
                                        v1::Brand* response) override;
  grpc::ServerUnaryReactor* DeleteBrand(grpc::CallbackServerContext* context,
                                        const v1::DeleteBrandRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetCategory(grpc::CallbackServerContext* context,
                                        const v1::GetCategoryRequest* request,
                                        v1::Category* response) override;
  grpc::ServerUnaryReactor* ListCategories(grpc::CallbackServerContext* context,
                                           const v1::ListCategoriesRequest* request,
                                           v1::ListCategoriesResponse* response) override;
  grpc::ServerUnaryReactor* CreateCategory(grpc::CallbackServerContext* context,
                                           const v1::CreateCategoryRequest* request,
                                           v1::Category* response) override;
  grpc::ServerUnaryReactor* UpdateCategory(grpc::CallbackServerContext* context,
                                           const v1::UpdateCategoryRequest* request,
                                           v1::Category* response) override;
  grpc::ServerUnaryReactor* DeleteCategory(grpc::CallbackServerContext* context,
                                           const v1::DeleteCategoryRequest* request,
                                           google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetSize(grpc::CallbackServerContext* context,
                                    const v1::GetSizeRequest* request, v1::Size* response) override;
  grpc::ServerUnaryReactor* ListSizes(grpc::CallbackServerContext* context,
                                      const v1::ListSizesRequest* request,
                                      v1::ListSizesResponse* response) override;
  grpc::ServerUnaryReactor* CreateSize(grpc::CallbackServerContext* context,
                                       const v1::CreateSizeRequest* request,
                                       v1::Size* response) override;
  grpc::ServerUnaryReactor* DeleteSize(grpc::CallbackServerContext* context,
                                       const v1::DeleteSizeRequest* request,
                                       google::protobuf::Empty* response) override;

 private:
  [[nodiscard]] absl::StatusOr<v1::ListProductsResponse> ListMatching(
      const rpc::Call& call, const v1::ListProductsRequest& in);
  [[nodiscard]] absl::StatusOr<v1::Category> CreateWithSlug(const rpc::Call& call,
                                                            const v1::CreateCategoryRequest& in);

  Resources<v1::Product> products_;
  Resources<v1::Brand> brands_;
  Resources<v1::Category> categories_;
  Resources<v1::Size> sizes_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::catalog
