#include "services/catalog/inventory_service.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/ids/resource_name.h"
#include "common/outbox/inbox.h"
#include "common/status/error.h"
#include "services/catalog/inventory_rules.h"
#include "services/catalog/inventory_stats.h"
#include "services/catalog/item_repository.h"
#include "services/catalog/item_sales.h"
#include "services/catalog/order_key.h"
#include "services/catalog/plumbing.h"
#include "services/catalog/sale_messages.h"
#include "services/catalog/sale_repository.h"
#include "services/catalog/text.h"

namespace lockstep::catalog {
namespace {

absl::StatusOr<ItemStatus> StatusFromProto(v1::InventoryStatus status) {
  constexpr std::string_view kPrefix = "INVENTORY_STATUS_";
  if (v1::InventoryStatus_IsValid(status)) {
    const std::string& name = v1::InventoryStatus_Name(status);
    if (const auto parsed = ItemStatusFromText(ToLower(name.substr(kPrefix.size())))) {
      return *parsed;
    }
  }
  return InvalidField("status", "ENUM_VALUE_UNKNOWN", "one of the values of InventoryStatus");
}

absl::StatusOr<OrderRef> ResolveOrder(pg::Tx& tx, const v1::OrderKey& key) {
  std::map<std::string, ids::Uuid> platforms;
  if (!key.platform().empty()) {
    ASSIGN_OR_RETURN(platforms, FindPlatforms(tx, {PlatformSlugOf(key)}));
  }
  return OrderRefOf(key, platforms);
}

absl::Status CheckKey(const v1::OrderKey& key) {
  Violations bad;
  CheckOrderKey(key, "order", bad);
  return bad.ToStatus();
}

absl::Status ItemNotFound(const std::string& name) {
  return Error(absl::StatusCode::kNotFound, "ITEM_NOT_FOUND", "there is no such item")
      .With("name", name);
}

}  // namespace

InventoryService::InventoryService(pg::Pool& pool, paging::PageSigner& signer, rpc::Runner& runner)
    : pool_(pool),
      items_(ItemSpec(), pool, signer, ItemRules()),
      resolver_(pool),
      runner_(runner) {}

grpc::ServerUnaryReactor* InventoryService::GetInventoryItem(
    grpc::CallbackServerContext* context, const v1::GetInventoryItemRequest* request,
    v1::InventoryItem* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::GetInventoryItemRequest& in) {
                         return items_.Get(call, in.name());
                       });
}

grpc::ServerUnaryReactor* InventoryService::ListInventoryItems(
    grpc::CallbackServerContext* context, const v1::ListInventoryItemsRequest* request,
    v1::ListInventoryItemsResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ListInventoryItemsRequest& in) {
                         return items_.List(
                             call, in, &v1::ListInventoryItemsResponse::mutable_inventory_items);
                       });
}

grpc::ServerUnaryReactor* InventoryService::CreateInventoryItem(
    grpc::CallbackServerContext* context, const v1::CreateInventoryItemRequest* request,
    v1::InventoryItem* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::CreateInventoryItemRequest& in) {
                         return items_.Create(call, in, in.inventory_item());
                       });
}

grpc::ServerUnaryReactor* InventoryService::UpdateInventoryItem(
    grpc::CallbackServerContext* context, const v1::UpdateInventoryItemRequest* request,
    v1::InventoryItem* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::UpdateInventoryItemRequest& in) {
                         return items_.Update(call, in, in.inventory_item());
                       });
}

grpc::ServerUnaryReactor* InventoryService::DeleteInventoryItem(
    grpc::CallbackServerContext* context, const v1::DeleteInventoryItemRequest* request,
    google::protobuf::Empty* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::DeleteInventoryItemRequest& in) {
                         return items_.Delete(call, in, in.etag());
                       });
}

grpc::ServerUnaryReactor* InventoryService::TransitionItem(grpc::CallbackServerContext* context,
                                                           const v1::TransitionItemRequest* request,
                                                           v1::TransitionItemResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::TransitionItemRequest& in) {
                         return Transition(call, in);
                       });
}

grpc::ServerUnaryReactor* InventoryService::ReserveItem(grpc::CallbackServerContext* context,
                                                        const v1::ReserveItemRequest* request,
                                                        v1::ReserveItemResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ReserveItemRequest& in) {
                         return Reserve(call, in);
                       });
}

grpc::ServerUnaryReactor* InventoryService::ReleaseItem(grpc::CallbackServerContext* context,
                                                        const v1::ReleaseItemRequest* request,
                                                        v1::ReleaseItemResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ReleaseItemRequest& in) {
                         return Release(call, in);
                       });
}

grpc::ServerUnaryReactor* InventoryService::MarkSold(grpc::CallbackServerContext* context,
                                                     const v1::MarkSoldRequest* request,
                                                     v1::MarkSoldResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::MarkSoldRequest& in) {
                         return MarkItemsSold(pool_, call.context(), in);
                       });
}

grpc::ServerUnaryReactor* InventoryService::ResolveSoldItems(
    grpc::CallbackServerContext* context, const v1::ResolveSoldItemsRequest* request,
    v1::ResolveSoldItemsResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::ResolveSoldItemsRequest& in) {
                         return Resolve(call, in);
                       });
}

grpc::ServerUnaryReactor* InventoryService::InventoryStats(grpc::CallbackServerContext* context,
                                                           const v1::InventoryStatsRequest* request,
                                                           v1::InventoryStatsResponse* response) {
  return runner_.Unary(context, request, response,
                       [this](const rpc::Call& call, const v1::InventoryStatsRequest& in) {
                         return ComputeInventoryStats(pool_, call.context(), in);
                       });
}

absl::StatusOr<v1::TransitionItemResponse> InventoryService::Transition(
    const rpc::Call& call, const v1::TransitionItemRequest& in) {
  using Response = v1::TransitionItemResponse;
  ASSIGN_OR_RETURN(const ItemStatus status, StatusFromProto(in.status()));
  ASSIGN_OR_RETURN(const ids::Uuid id, ids::UuidFromName(in.name(), Items().name, "name"));
  return items_.Change<Response>(call, in, [&](pg::Tx& tx) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(ItemLedger ledger, LoadLedger(tx, {id}, {}));
    if (ledger.items().empty()) return ItemNotFound(in.name());
    if (!in.etag().empty()) {
      ASSIGN_OR_RETURN(const v1::InventoryItem before, items_.Read(tx, in.name(), /*lock=*/false));
      RETURN_IF_ERROR(ResourceStore::CheckEtag(in.etag(), before));
    }
    RETURN_IF_ERROR(ledger.MoveTo(id, status));
    RETURN_IF_ERROR(SaveLedger(tx, ledger));
    Response out;
    ASSIGN_OR_RETURN(*out.mutable_inventory_item(), items_.Read(tx, in.name(), /*lock=*/false));
    return out;
  });
}

absl::StatusOr<v1::ReserveItemResponse> InventoryService::Reserve(
    const rpc::Call& call, const v1::ReserveItemRequest& in) {
  using Response = v1::ReserveItemResponse;
  ASSIGN_OR_RETURN(const ids::Uuid id, ids::UuidFromName(in.name(), Items().name, "name"));
  RETURN_IF_ERROR(CheckKey(in.order()));
  return items_.Change<Response>(call, in, [&](pg::Tx& tx) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(const OrderRef order, ResolveOrder(tx, in.order()));
    ASSIGN_OR_RETURN(ItemLedger ledger, LoadLedger(tx, {id}, {order}));
    RETURN_IF_ERROR(ledger.Reserve(id, order).status());
    RETURN_IF_ERROR(SaveLedger(tx, ledger));
    Response out;
    ASSIGN_OR_RETURN(*out.mutable_inventory_item(), items_.Read(tx, in.name(), /*lock=*/false));
    return out;
  });
}

absl::StatusOr<v1::ReleaseItemResponse> InventoryService::Release(
    const rpc::Call& call, const v1::ReleaseItemRequest& in) {
  using Response = v1::ReleaseItemResponse;
  ASSIGN_OR_RETURN(const ids::Uuid id, ids::UuidFromName(in.name(), Items().name, "name"));
  RETURN_IF_ERROR(CheckKey(in.order()));
  const auto release = [&](pg::Tx& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const OrderRef order, ResolveOrder(tx, in.order()));
    ASSIGN_OR_RETURN(ItemLedger ledger, LoadLedger(tx, {id}, {order}));
    RETURN_IF_ERROR(ledger.Release(id, order, in.was_completed()).status());
    return SaveLedger(tx, ledger);
  };
  return items_.Change<Response>(call, in, [&](pg::Tx& tx) -> absl::StatusOr<Response> {
    if (in.request_id().empty()) {
      RETURN_IF_ERROR(release(tx));
    } else {
      // The kept answer expires; that the event was applied is remembered.
      RETURN_IF_ERROR(
          outbox::ApplyOnce(tx, kPlumbing.inbox, in.request_id(), "orders", release).status());
    }
    Response out;
    ASSIGN_OR_RETURN(*out.mutable_inventory_item(), items_.Read(tx, in.name(), /*lock=*/false));
    return out;
  });
}

absl::StatusOr<v1::ResolveSoldItemsResponse> InventoryService::Resolve(
    const rpc::Call& call, const v1::ResolveSoldItemsRequest& in) {
  ASSIGN_OR_RETURN(const std::vector<Sale> sales, SalesFromProto(in));
  ASSIGN_OR_RETURN(const std::vector<SoldItem> items, resolver_.Resolve(call.context(), sales));
  return ResolvedToProto(sales, items);
}

}  // namespace lockstep::catalog
