#include "services/catalog/supplier_service.h"

#include "common/status/error.h"
#include "services/catalog/text.h"

namespace lockstep::catalog {
namespace {

absl::Status CompleteNew(pg::Tx& /*tx*/, v1::Supplier& supplier, ExtraColumns& /*extra*/) {
  supplier.set_supplier_name(CollapseSpace(supplier.supplier_name()));
  if (supplier.supplier_name().empty()) {
    return InvalidField("supplier.supplier_name", "FIELD_REQUIRED", "not only white space");
  }
  if (supplier.slug().empty()) supplier.set_slug(SlugOf(supplier.supplier_name()));
  if (supplier.slug().empty() || CharacterCount(supplier.slug()) > 100) {
    return InvalidField("supplier.slug", "SLUG_MALFORMED",
                        "no slug of at most 100 characters follows from the name: give one");
  }
  return absl::OkStatus();
}

}  // namespace

SupplierService::SupplierService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner)
    : suppliers_(SupplierSpec(), pool, signer, {.before_insert = CompleteNew}), runner_(runner) {}

grpc::ServerUnaryReactor* SupplierService::GetSupplier(grpc::CallbackServerContext* context,
                                                       const v1::GetSupplierRequest* request,
                                                       v1::Supplier* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::GetSupplierRequest& in) {
                         return suppliers_.Get(call, in.name());
                       });
}

grpc::ServerUnaryReactor* SupplierService::ListSuppliers(grpc::CallbackServerContext* context,
                                                         const v1::ListSuppliersRequest* request,
                                                         v1::ListSuppliersResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ListSuppliersRequest& in) {
                         return suppliers_.List(call, in,
                                                &v1::ListSuppliersResponse::mutable_suppliers);
                       });
}

grpc::ServerUnaryReactor* SupplierService::CreateSupplier(grpc::CallbackServerContext* context,
                                                          const v1::CreateSupplierRequest* request,
                                                          v1::Supplier* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::CreateSupplierRequest& in) {
                         return suppliers_.Create(call, in, in.supplier());
                       });
}

grpc::ServerUnaryReactor* SupplierService::UpdateSupplier(grpc::CallbackServerContext* context,
                                                          const v1::UpdateSupplierRequest* request,
                                                          v1::Supplier* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::UpdateSupplierRequest& in) {
                         return suppliers_.Update(call, in, in.supplier());
                       });
}

grpc::ServerUnaryReactor* SupplierService::TransitionSupplier(
    grpc::CallbackServerContext* context, const v1::TransitionSupplierRequest* request,
    v1::TransitionSupplierResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::TransitionSupplierRequest& in) {
                         return Transition(call, in);
                       });
}

absl::StatusOr<v1::TransitionSupplierResponse> SupplierService::Transition(
    const rpc::Call& call, const v1::TransitionSupplierRequest& in) {
  constexpr std::string_view kPrefix = "SUPPLIER_STATUS_";
  if (!v1::SupplierStatus_IsValid(in.status())) {
    return InvalidField("status", "ENUM_VALUE_UNKNOWN", "one of the values of SupplierStatus");
  }
  const std::string status =
      ToLower(std::string_view(v1::SupplierStatus_Name(in.status())).substr(kPrefix.size()));
  using Response = v1::TransitionSupplierResponse;
  return suppliers_.Change<Response>(call, in, [&](pg::Tx& tx) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(v1::Supplier supplier, suppliers_.Read(tx, in.name(), /*lock=*/true));
    RETURN_IF_ERROR(ResourceStore::CheckEtag(in.etag(), supplier));
    Response out;
    if (supplier.status() != in.status()) {
      RETURN_IF_ERROR(suppliers_.store().Update(tx, supplier, {}, {{"status", status}}));
      ASSIGN_OR_RETURN(supplier, suppliers_.Read(tx, in.name(), /*lock=*/false));
    }
    *out.mutable_supplier() = std::move(supplier);
    return out;
  });
}

}  // namespace lockstep::catalog
