#include "services/orders/order_service.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/money/limits.h"
#include "common/money/proto.h"
#include "common/request_id/request_id.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/proto.h"
#include "services/orders/order_commands.h"
#include "services/orders/order_proto.h"
#include "services/orders/order_repository.h"
#include "services/orders/plumbing.h"

namespace lockstep::orders {
namespace {

constexpr int kMaxBatch = 1000;
constexpr std::size_t kLongestReason = 1000;
constexpr std::size_t kLongestReference = 200;

absl::StatusOr<Payout> PayoutFromProto(const pb::RecordPayoutRequest& in) {
  ASSIGN_OR_RETURN(Money amount, money::FromProto(in.amount(), "amount"));
  RETURN_IF_ERROR(money::CheckAmount(amount, "amount"));
  ASSIGN_OR_RETURN(absl::Time date, time::FromProto(in.payout_date(), "payout_date"));
  if (CharacterCount(in.reference()) > kLongestReference) {
    return InvalidField("reference", "TEXT_TOO_LONG", "at most 200 characters");
  }
  return Payout{.amount = amount, .payout_date = date, .reference = in.reference()};
}

absl::StatusOr<Order> Lookup(pg::Tx& tx, const pb::LookupOrderRequest& in) {
  if (!in.stockx_order_number().empty())
    return GetOrderByStockxNumber(tx, in.stockx_order_number());
  ASSIGN_OR_RETURN(std::string slug, PlatformSlug(in.platform(), "platform"));
  return GetOrderByExternalId(tx, slug, in.external_id());
}

}  // namespace

OrderService::OrderService(pg::Pool& pool, pg::Pool& read_pool, paging::PageSigner& signer,
                           rpc::Runner& runner, std::function<void()> notify)
    : pool_(pool),
      read_pool_(read_pool),
      signer_(signer),
      runner_(runner),
      notify_(std::move(notify)) {}

grpc::ServerUnaryReactor* OrderService::CreateOrder(grpc::CallbackServerContext* context,
                                                    const pb::CreateOrderRequest* request,
                                                    pb::Order* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call, const pb::CreateOrderRequest& in) -> absl::StatusOr<pb::Order> {
        ASSIGN_OR_RETURN(Order draft, DraftFromProto(in.order()));
        return pool_.Write(call.context(), [&](pg::Tx& tx) {
          return request_id::With(
              tx, kPlumbing.request_results, in, call.method(),
              [&](pg::Tx& inner) -> absl::StatusOr<pb::Order> {
                ASSIGN_OR_RETURN(Order order, orders::CreateOrder(inner, draft, in.request_id()));
                return ToProto(order);
              });
        });
      });
}

grpc::ServerUnaryReactor* OrderService::GetOrder(grpc::CallbackServerContext* context,
                                                 const pb::GetOrderRequest* request,
                                                 pb::Order* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call, const pb::GetOrderRequest& in) -> absl::StatusOr<pb::Order> {
        ASSIGN_OR_RETURN(OrderId id, OrderIdFromName(in.name(), "name"));
        ASSIGN_OR_RETURN(Order order, pool_.Read(call.context(), [&](pg::Tx& tx) {
          return orders::GetOrder(tx, id, RawData::kRead);
        }));
        return ToProto(order);
      });
}

grpc::ServerUnaryReactor* OrderService::BatchGetOrders(grpc::CallbackServerContext* context,
                                                       const pb::BatchGetOrdersRequest* request,
                                                       pb::BatchGetOrdersResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::BatchGetOrdersRequest& in) -> absl::StatusOr<pb::BatchGetOrdersResponse> {
        if (in.names_size() > kMaxBatch) {
          return InvalidField("names", "TOO_MANY_NAMES", "at most 1,000 names");
        }
        std::vector<OrderId> ids;
        for (int i = 0; i < in.names_size(); ++i) {
          ASSIGN_OR_RETURN(OrderId id,
                           OrderIdFromName(in.names(i), "names[" + std::to_string(i) + "]"));
          ids.push_back(id);
        }
        ASSIGN_OR_RETURN(std::vector<Order> orders, pool_.Read(call.context(), [&](pg::Tx& tx) {
          return GetOrders(tx, ids);
        }));
        pb::BatchGetOrdersResponse out;
        for (const Order& order : orders) *out.add_orders() = ToProto(order);
        return out;
      });
}

grpc::ServerUnaryReactor* OrderService::LookupOrder(grpc::CallbackServerContext* context,
                                                    const pb::LookupOrderRequest* request,
                                                    pb::Order* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call, const pb::LookupOrderRequest& in) -> absl::StatusOr<pb::Order> {
        if (in.external_id().empty() == in.stockx_order_number().empty()) {
          return InvalidField("external_id", "LOOKUP_KEY_AMBIGUOUS",
                              "set external_id with platform, or stockx_order_number");
        }
        ASSIGN_OR_RETURN(Order order,
                         pool_.Read(call.context(), [&](pg::Tx& tx) { return Lookup(tx, in); }));
        return ToProto(order);
      });
}

grpc::ServerUnaryReactor* OrderService::UpdateOrder(grpc::CallbackServerContext* context,
                                                    const pb::UpdateOrderRequest* request,
                                                    pb::Order* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call, const pb::UpdateOrderRequest& in) -> absl::StatusOr<pb::Order> {
        ASSIGN_OR_RETURN(OrderId id, OrderIdFromName(in.order().name(), "order.name"));
        ASSIGN_OR_RETURN(OrderPatch patch, PatchFromProto(in));
        return pool_.Write(call.context(), [&](pg::Tx& tx) {
          return request_id::With(
              tx, kPlumbing.request_results, in, call.method(),
              [&](pg::Tx& inner) -> absl::StatusOr<pb::Order> {
                ASSIGN_OR_RETURN(
                    Order order,
                    orders::UpdateOrder(inner, id, patch, in.order().etag(), in.request_id()));
                return ToProto(order);
              });
        });
      });
}

grpc::ServerUnaryReactor* OrderService::TransitionOrder(grpc::CallbackServerContext* context,
                                                        const pb::TransitionOrderRequest* request,
                                                        pb::Order* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::TransitionOrderRequest& in) -> absl::StatusOr<pb::Order> {
        ASSIGN_OR_RETURN(OrderId id, OrderIdFromName(in.name(), "name"));
        ASSIGN_OR_RETURN(OrderStatus to, FromProto(in.status(), "status"));
        if (CharacterCount(in.reason()) > kLongestReason) {
          return InvalidField("reason", "TEXT_TOO_LONG", "at most 1,000 characters");
        }
        absl::StatusOr<pb::Order> order = pool_.Write(call.context(), [&](pg::Tx& tx) {
          return request_id::With(
              tx, kPlumbing.request_results, in, call.method(),
              [&](pg::Tx& inner) -> absl::StatusOr<pb::Order> {
                ASSIGN_OR_RETURN(Order after, orders::TransitionOrder(inner, id, to, in.reason(),
                                                                      in.etag(), in.request_id()));
                return ToProto(after);
              });
        });
        if (order.ok() && notify_) notify_();
        return order;
      });
}

grpc::ServerUnaryReactor* OrderService::RecordPayout(grpc::CallbackServerContext* context,
                                                     const pb::RecordPayoutRequest* request,
                                                     pb::RecordPayoutResponse* response) {
  return runner_.Unary(
      context, request, response,
      [this](const rpc::Call& call,
             const pb::RecordPayoutRequest& in) -> absl::StatusOr<pb::RecordPayoutResponse> {
        ASSIGN_OR_RETURN(OrderId id, OrderIdFromName(in.name(), "name"));
        ASSIGN_OR_RETURN(Payout payout, PayoutFromProto(in));
        return pool_.Write(call.context(), [&](pg::Tx& tx) {
          return request_id::With(
              tx, kPlumbing.request_results, in, call.method(),
              [&](pg::Tx& inner) -> absl::StatusOr<pb::RecordPayoutResponse> {
                ASSIGN_OR_RETURN(
                    RecordedPayoutResult result,
                    orders::RecordPayout(inner, id, payout, in.etag(), in.request_id()));
                pb::RecordPayoutResponse out;
                *out.mutable_order() = ToProto(result.order);
                if (result.difference.has_value()) {
                  *out.mutable_difference() = money::ToProto(*result.difference);
                }
                for (std::string& warning : result.warnings) out.add_warnings(std::move(warning));
                return out;
              });
        });
      });
}

}  // namespace lockstep::orders
