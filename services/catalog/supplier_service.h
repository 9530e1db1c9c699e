// lockstep.catalog.v1.SupplierService: transport.
#pragma once

#include "common/rpc/runner.h"
#include "lockstep/catalog/v1/supplier_service.grpc.pb.h"
#include "services/catalog/resources.h"

namespace lockstep::catalog {

class SupplierService final : public v1::SupplierService::CallbackService {
 public:
  SupplierService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner);

  grpc::ServerUnaryReactor* GetSupplier(grpc::CallbackServerContext* context,
                                        const v1::GetSupplierRequest* request,
                                        v1::Supplier* response) override;
  grpc::ServerUnaryReactor* ListSuppliers(grpc::CallbackServerContext* context,
                                          const v1::ListSuppliersRequest* request,
                                          v1::ListSuppliersResponse* response) override;
  grpc::ServerUnaryReactor* CreateSupplier(grpc::CallbackServerContext* context,
                                           const v1::CreateSupplierRequest* request,
                                           v1::Supplier* response) override;
  grpc::ServerUnaryReactor* UpdateSupplier(grpc::CallbackServerContext* context,
                                           const v1::UpdateSupplierRequest* request,
                                           v1::Supplier* response) override;
  grpc::ServerUnaryReactor* TransitionSupplier(grpc::CallbackServerContext* context,
                                               const v1::TransitionSupplierRequest* request,
                                               v1::TransitionSupplierResponse* response) override;

 private:
  [[nodiscard]] absl::StatusOr<v1::TransitionSupplierResponse> Transition(
      const rpc::Call& call, const v1::TransitionSupplierRequest& in);

  Resources<v1::Supplier> suppliers_;
  rpc::Runner& runner_;
};

}  // namespace lockstep::catalog
