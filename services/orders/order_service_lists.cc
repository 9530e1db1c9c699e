#include "services/orders/order_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/ids/resource_name.h"
#include "common/money/proto.h"
#include "common/paging/list_query.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/orders/order_proto.h"
#include "services/orders/order_queries.h"
#include "services/orders/order_repository.h"
#include "services/orders/reconcile.h"

// The calls that answer with many orders, or with figures over them.
namespace lockstep::orders {
namespace {

constexpr int kStreamPage = 500;
constexpr int kDefaultDifferences = 1000;
constexpr int kMaxDifferences = 10'000;

void SetSum(const std::optional<Money>& sum, google::type::Money* (pb::OrderSummary::*field)(),
            pb::OrderSummary& message) {
  if (sum.has_value()) *(message.*field)() = money::ToProto(*sum);
}

void FillSummary(const Summary& summary, const std::vector<std::string>& group_by,
                 pb::OrderSummary& message) {
  for (std::size_t i = 0; i < summary.group.size(); ++i) {
    if (summary.group[i].has_value()) (*message.mutable_group())[group_by[i]] = *summary.group[i];
  }
  message.set_currency_code(summary.currency.code());
  message.set_order_count(summary.order_count);
  SetSum(summary.gross_sale, &pb::OrderSummary::mutable_gross_sale, message);
  SetSum(summary.platform_fee, &pb::OrderSummary::mutable_platform_fee, message);
  SetSum(summary.shipping_cost, &pb::OrderSummary::mutable_shipping_cost, message);
  SetSum(summary.net_proceeds, &pb::OrderSummary::mutable_net_proceeds, message);
  SetSum(summary.net_profit, &pb::OrderSummary::mutable_net_profit, message);
  if (summary.mean_roi.has_value()) message.set_mean_roi(*summary.mean_roi);
  message.set_missing_gross_sale_count(summary.missing_gross_sale);
  message.set_missing_platform_fee_count(summary.missing_platform_fee);
  message.set_missing_shipping_cost_count(summary.missing_shipping_cost);
  message.set_missing_net_proceeds_count(summary.missing_net_proceeds);
  message.set_missing_net_profit_count(summary.missing_net_profit);
  message.set_missing_roi_count(summary.missing_roi);
}

pb::ItemDifferenceKind ToProto(DifferenceKind kind) {
  // The proto's values follow the enum, after UNSPECIFIED.
  return static_cast<pb::ItemDifferenceKind>(static_cast<int>(kind) + 1);
}

std::string NameOf(const char* collection, const std::optional<std::string>& id) {
  return id.has_value() ? ids::ResourceName(collection, *id) : std::string();
}

}  // namespace

grpc::ServerUnaryReactor* OrderService::ListOrders(grpc::CallbackServerContext* context,
                                                   const pb::ListOrdersRequest* request,
                                                   pb::ListOrdersResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::ListOrdersRequest& in) -> absl::StatusOr<pb::ListOrdersResponse> {
        ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(call.context()));
        ASSIGN_OR_RETURN(paging::ListQuery query,
                         paging::ListQuery::Make(ListOrdersSpec(),
                                                 {.filter = in.filter(),
                                                  .order_by = in.order_by(),
                                                  .page_size = in.page_size(),
                                                  .page_token = in.page_token()},
                                                 *signer));
        ASSIGN_OR_RETURN(
            OrderPage page,
            read_pool_.Read(call.context(), [&](pg::Tx& tx) -> absl::StatusOr<OrderPage> {
              RETURN_IF_ERROR(CheckPlatforms(tx, in.filter()));
              return orders::ListOrders(tx, query);
            }));
        pb::ListOrdersResponse out;
        for (const Order& order : page.orders) *out.add_orders() = ToProto(order);
        out.set_next_page_token(page.next_page_token);
        return out;
      });
}

grpc::ServerWriteReactor<pb::StreamOrdersResponse>* OrderService::StreamOrders(
    grpc::CallbackServerContext* context, const pb::StreamOrdersRequest* request) {
  return runner_.ServerStream<pb::StreamOrdersResponse>(
      context, request,
      [this](const rpc::Call& call, const pb::StreamOrdersRequest& in,
             rpc::StreamWriter<pb::StreamOrdersResponse>& writer) -> absl::Status {
        std::string token = in.page_token();
        // Each message is a page of its own: a slow reader holds no transaction and no connection.
        do {
          ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(call.context()));
          ASSIGN_OR_RETURN(paging::ListQuery query,
                           paging::ListQuery::Make(StreamOrdersSpec(),
                                                   {.filter = in.filter(),
                                                    .order_by = in.order_by(),
                                                    .page_size = kStreamPage,
                                                    .page_token = token},
                                                   *signer));
          ASSIGN_OR_RETURN(
              OrderPage page,
              read_pool_.Read(call.context(), [&](pg::Tx& tx) -> absl::StatusOr<OrderPage> {
                RETURN_IF_ERROR(CheckPlatforms(tx, in.filter()));
                return orders::ListOrders(tx, query);
              }));
          token = page.next_page_token;
          pb::StreamOrdersResponse out;
          for (const Order& order : page.orders) *out.add_orders() = ToProto(order);
          out.set_next_page_token(token);
          RETURN_IF_ERROR(writer.Write(std::move(out)));
        } while (!token.empty());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* OrderService::SummarizeOrders(grpc::CallbackServerContext* context,
                                                        const pb::SummarizeOrdersRequest* request,
                                                        pb::SummarizeOrdersResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::SummarizeOrdersRequest& in) -> absl::StatusOr<pb::SummarizeOrdersResponse> {
        ASSIGN_OR_RETURN(
            SummaryQuery query,
            SummaryQuery::Make(in.filter(), {in.group_by().begin(), in.group_by().end()}));
        return read_pool_.Read(call.context(),
                               [&](pg::Tx& tx) -> absl::StatusOr<pb::SummarizeOrdersResponse> {
                                 RETURN_IF_ERROR(CheckPlatforms(tx, in.filter()));
                                 ASSIGN_OR_RETURN(std::vector<Summary> totals, query.Totals(tx));
                                 ASSIGN_OR_RETURN(std::vector<Summary> groups, query.Groups(tx));
                                 pb::SummarizeOrdersResponse out;
                                 for (const Summary& summary : totals) {
                                   FillSummary(summary, query.group_by(), *out.add_totals());
                                 }
                                 for (const Summary& summary : groups) {
                                   FillSummary(summary, query.group_by(), *out.add_groups());
                                 }
                                 return out;
                               });
      });
}

grpc::ServerUnaryReactor* OrderService::ListOrderEvents(grpc::CallbackServerContext* context,
                                                        const pb::ListOrderEventsRequest* request,
                                                        pb::ListOrderEventsResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::ListOrderEventsRequest& in) -> absl::StatusOr<pb::ListOrderEventsResponse> {
        ASSIGN_OR_RETURN(OrderId id, OrderIdFromName(in.parent(), "parent"));
        const std::string scope = id.text();
        ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(call.context()));
        ASSIGN_OR_RETURN(
            paging::ListQuery query,
            paging::ListQuery::Make(
                ListOrderEventsSpec(),
                {.page_size = in.page_size(), .page_token = in.page_token(), .scope = scope},
                *signer, 2));
        ASSIGN_OR_RETURN(EventPage page, read_pool_.Read(call.context(), [&](pg::Tx& tx) {
          return ListEvents(tx, id, query);
        }));
        pb::ListOrderEventsResponse out;
        for (const OrderEvent& event : page.events) *out.add_events() = orders::ToProto(event);
        out.set_next_page_token(page.next_page_token);
        return out;
      });
}

grpc::ServerUnaryReactor* OrderService::ReconcileItems(grpc::CallbackServerContext* context,
                                                       const pb::ReconcileItemsRequest* request,
                                                       pb::ReconcileItemsResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::ReconcileItemsRequest& in) -> absl::StatusOr<pb::ReconcileItemsResponse> {
        if (in.max_differences() < 0) {
          return InvalidField("max_differences", "COUNT_NEGATIVE", "must not be negative");
        }
        const int limit = in.max_differences() == 0
                              ? kDefaultDifferences
                              : std::min(in.max_differences(), kMaxDifferences);
        ASSIGN_OR_RETURN(Reconciliation result, pool_.Read(call.context(), [&](pg::Tx& tx) {
          return orders::ReconcileItems(tx, limit);
        }));
        pb::ReconcileItemsResponse out;
        for (const Difference& difference : result.differences) {
          pb::ItemDifference* message = out.add_differences();
          message->set_kind(ToProto(difference.kind));
          message->set_order(NameOf("orders", difference.order));
          message->set_inventory_item(NameOf("inventoryItems", difference.inventory_item));
          message->set_event_id(difference.event_id.value_or(""));
          message->set_detail(difference.detail);
        }
        out.set_completed_order_count(result.completed_orders);
        out.set_pending_event_count(result.pending_events);
        return out;
      });
}

}  // namespace lockstep::orders
