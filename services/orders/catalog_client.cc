#include "services/orders/catalog_client.h"

#include <utility>

#include "common/ids/resource_name.h"
#include "common/rpc/channel.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"
#include "google/rpc/status.pb.h"
#include "lockstep/catalog/v1/inventory_service.grpc.pb.h"

namespace lockstep::orders {
namespace {

namespace pb = lockstep::catalog::v1;

constexpr absl::Duration kResolveTimeout = absl::Seconds(60);
constexpr absl::Duration kChangeTimeout = absl::Seconds(15);
constexpr std::size_t kMarkSoldRows = 500;  // what one call of the catalog takes

// Trouble on the way is told apart from the catalog's own answers by its reason.
absl::Status FromCatalog(const grpc::Status& status) {
  absl::Status error = rpc::FromGrpc(status);
  if (error.code() == absl::StatusCode::kUnavailable) {
    return Error(absl::StatusCode::kUnavailable, "CATALOG_UNREACHABLE",
                 "the catalog service does not answer; try again a little later")
        .With("catalog_reason", ReasonOf(error));
  }
  return error;
}

absl::Status Malformed(std::string_view what) {
  return Error(absl::StatusCode::kInternal, "INVARIANT_BROKEN",
               "the catalog's answer does not fit the request")
      .With("what", what);
}

void FillKey(const ItemChange& change, pb::OrderKey* key) {
  key->set_order(ids::ResourceName("orders", change.order));
  if (change.external_id.empty()) return;
  key->set_platform(ids::ResourceName("platforms", change.platform_slug));
  key->set_external_order_id(change.external_id);
}

// The inner status of one row, as if the call had ended with it.
absl::Status RowStatus(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  return rpc::FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(status.code()), status.message(),
                                    status.SerializeAsString()));
}

class GrpcCatalog final : public Catalog {
 public:
  explicit GrpcCatalog(std::shared_ptr<grpc::Channel> channel)
      : stub_(pb::InventoryService::NewStub(std::move(channel))) {}

  absl::StatusOr<std::vector<ResolvedItem>> ResolveSoldItems(
      const Context& context, std::string_view platform_slug,
      std::span<const ReportedSale* const> sales) override {
    pb::ResolveSoldItemsRequest request;
    const std::string platform = ids::ResourceName("platforms", platform_slug);
    for (const ReportedSale* sale : sales) {
      pb::SaleToResolve* row = request.add_sales();
      row->set_platform(platform);
      row->set_external_order_id(sale->external_id);
      row->set_sku(sale->sku);
      row->set_item_name(sale->item_name);
      row->set_size_text(sale->size_text);
      *row->mutable_sold_at() = time::ToProto(sale->sold_at);
    }
    rpc::ClientCall call(context, "", kResolveTimeout);
    pb::ResolveSoldItemsResponse response;
    RETURN_IF_ERROR(FromCatalog(stub_->ResolveSoldItems(call.context(), request, &response)));
    if (response.sales_size() != request.sales_size()) return Malformed("number of rows");
    std::vector<ResolvedItem> items;
    items.reserve(sales.size());
    for (int i = 0; i < response.sales_size(); ++i) {
      const pb::ResolvedSale& sale = response.sales(i);
      if (sale.external_order_id() != request.sales(i).external_order_id()) {
        return Malformed("order of rows");
      }
      ASSIGN_OR_RETURN(InventoryItemId item,
                       ids::IdFromName<InventoryItemId>(sale.inventory_item(), "inventoryItems",
                                                        "inventory_item"));
      // Not is_placeholder(): that mark stays with an item that came back and sells again.
      items.push_back(
          {.item = item, .is_made_for_sale = sale.match() == pb::SALE_MATCH_PLACEHOLDER});
    }
    return items;
  }

  std::vector<absl::Status> MarkSold(const Context& context,
                                     std::span<const ItemChange> changes) override {
    std::vector<absl::Status> statuses;
    while (!changes.empty()) {
      const std::size_t count = std::min(changes.size(), kMarkSoldRows);
      MarkSoldChunk(context, changes.first(count), statuses);
      changes = changes.subspan(count);
    }
    return statuses;
  }

  absl::Status ReserveItem(const Context& context, const ItemChange& change) override {
    pb::ReserveItemRequest request;
    request.set_name(ids::ResourceName("inventoryItems", change.item));
    FillKey(change, request.mutable_order());
    request.set_request_id(change.event_id);
    rpc::ClientCall call(context, change.event_id, kChangeTimeout);
    pb::ReserveItemResponse response;
    return FromCatalog(stub_->ReserveItem(call.context(), request, &response));
  }

  absl::Status ReleaseItem(const Context& context, const ItemChange& change) override {
    pb::ReleaseItemRequest request;
    request.set_name(ids::ResourceName("inventoryItems", change.item));
    FillKey(change, request.mutable_order());
    request.set_request_id(change.event_id);
    request.set_was_completed(change.effect == ItemEffect::kReturned);
    rpc::ClientCall call(context, change.event_id, kChangeTimeout);
    pb::ReleaseItemResponse response;
    return FromCatalog(stub_->ReleaseItem(call.context(), request, &response));
  }

 private:
  void MarkSoldChunk(const Context& context, std::span<const ItemChange> changes,
                     std::vector<absl::Status>& statuses) {
    pb::MarkSoldRequest request;
    for (const ItemChange& change : changes) {
      pb::ItemSale* sale = request.add_sales();
      sale->set_event_id(change.event_id);
      sale->set_inventory_item(ids::ResourceName("inventoryItems", change.item));
      FillKey(change, sale->mutable_order());
      if (change.sold_at.has_value()) *sale->mutable_sold_at() = time::ToProto(*change.sold_at);
    }
    rpc::ClientCall call(context, changes.front().event_id, kChangeTimeout);
    pb::MarkSoldResponse response;
    absl::Status status = FromCatalog(stub_->MarkSold(call.context(), request, &response));
    if (status.ok() && response.results_size() != request.sales_size()) {
      status = Malformed("number of results");
    }
    for (int i = 0; i < request.sales_size(); ++i) {
      statuses.push_back(status.ok() ? RowStatus(response.results(i).status()) : status);
    }
  }

  std::unique_ptr<pb::InventoryService::Stub> stub_;
};

}  // namespace

std::unique_ptr<Catalog> MakeGrpcCatalog(std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<GrpcCatalog>(std::move(channel));
}

}  // namespace lockstep::orders
