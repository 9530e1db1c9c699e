// lockstep.catalog.v1.InventoryService: transport.
#pragma once

#include "common/rpc/runner.h"
#include "lockstep/catalog/v1/inventory_service.grpc.pb.h"
#include "services/catalog/resources.h"
#include "services/catalog/sale_resolver.h"

namespace lockstep::catalog {

class InventoryService final : public v1::InventoryService::CallbackService {
 public:
  InventoryService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner);

  grpc::ServerUnaryReactor* GetInventoryItem(grpc::CallbackServerContext* context,
                                             const v1::GetInventoryItemRequest* request,
                                             v1::InventoryItem* response) override;
  grpc::ServerUnaryReactor* ListInventoryItems(grpc::CallbackServerContext* context,
                                               const v1::ListInventoryItemsRequest* request,
                                               v1::ListInventoryItemsResponse* response) override;
  grpc::ServerUnaryReactor* CreateInventoryItem(grpc::CallbackServerContext* context,
                                                const v1::CreateInventoryItemRequest* request,
                                                v1::InventoryItem* response) override;
  grpc::ServerUnaryReactor* UpdateInventoryItem(grpc::CallbackServerContext* context,
                                                const v1::UpdateInventoryItemRequest* request,
                                                v1::InventoryItem* response) override;
  grpc::ServerUnaryReactor* DeleteInventoryItem(grpc::CallbackServerContext* context,
                                                const v1::DeleteInventoryItemRequest* request,
                                                google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* TransitionItem(grpc::CallbackServerContext* context,
                                           const v1::TransitionItemRequest* request,
                                           v1::TransitionItemResponse* response) override;
  grpc::ServerUnaryReactor* ReserveItem(grpc::CallbackServerContext* context,
                                        const v1::ReserveItemRequest* request,
                                        v1::ReserveItemResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseItem(grpc::CallbackServerContext* context,
                                        const v1::ReleaseItemRequest* request,
                                        v1::ReleaseItemResponse* response) override;
  grpc::ServerUnaryReactor* MarkSold(grpc::CallbackServerContext* context,
                                     const v1::MarkSoldRequest* request,
                                     v1::MarkSoldResponse* response) override;
  grpc::ServerUnaryReactor* ResolveSoldItems(grpc::CallbackServerContext* context,
                                             const v1::ResolveSoldItemsRequest* request,
                                             v1::ResolveSoldItemsResponse* response) override;
  grpc::ServerUnaryReactor* InventoryStats(grpc::CallbackServerContext* context,
                                           const v1::InventoryStatsRequest* request,
                                           v1::InventoryStatsResponse* response) override;

 private:
  [[nodiscard]] absl::StatusOr<v1::TransitionItemResponse> Transition(
      const rpc::Call& call, const v1::TransitionItemRequest& in);
  [[nodiscard]] absl::StatusOr<v1::ReserveItemResponse> Reserve(const rpc::Call& call,
                                                                const v1::ReserveItemRequest& in);
  [[nodiscard]] absl::StatusOr<v1::ReleaseItemResponse> Release(const rpc::Call& call,
                                                                const v1::ReleaseItemRequest& in);
  [[nodiscard]] absl::StatusOr<v1::ResolveSoldItemsResponse> Resolve(
      const rpc::Call& call, const v1::ResolveSoldItemsRequest& in);

  pg::Pool& pool_;
  Resources<v1::InventoryItem> items_;
  SaleResolver resolver_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::catalog
