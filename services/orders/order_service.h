// lockstep.orders.v1.OrderService: messages in, messages out. Rules are in order.h, SQL in
// order_repository.h.
#pragma once

#include <functional>

#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/rpc/runner.h"
#include "lockstep/orders/v1/order_service.grpc.pb.h"

namespace lockstep::orders {

// Thread-safe. Everything it is given outlives it.
class OrderService final : public lockstep::orders::v1::OrderService::CallbackService {
 public:
  // `read_pool` may be the same as `pool`, or one of a replica: lists, streams and sums use it.
  // `notify` is called after a commit that may have written events.
  OrderService(pg::Pool& pool, pg::Pool& read_pool, paging::PageSigner& signer, rpc::Runner& runner,
               std::function<void()> notify);

  grpc::ServerUnaryReactor* CreateOrder(grpc::CallbackServerContext* context,
                                        const v1::CreateOrderRequest* request,
                                        v1::Order* response) override;
  grpc::ServerUnaryReactor* GetOrder(grpc::CallbackServerContext* context,
                                     const v1::GetOrderRequest* request,
                                     v1::Order* response) override;
  grpc::ServerUnaryReactor* BatchGetOrders(grpc::CallbackServerContext* context,
                                           const v1::BatchGetOrdersRequest* request,
                                           v1::BatchGetOrdersResponse* response) override;
  grpc::ServerUnaryReactor* LookupOrder(grpc::CallbackServerContext* context,
                                        const v1::LookupOrderRequest* request,
                                        v1::Order* response) override;
  grpc::ServerUnaryReactor* ListOrders(grpc::CallbackServerContext* context,
                                       const v1::ListOrdersRequest* request,
                                       v1::ListOrdersResponse* response) override;
  grpc::ServerWriteReactor<v1::StreamOrdersResponse>* StreamOrders(
      grpc::CallbackServerContext* context, const v1::StreamOrdersRequest* request) override;
  grpc::ServerUnaryReactor* UpdateOrder(grpc::CallbackServerContext* context,
                                        const v1::UpdateOrderRequest* request,
                                        v1::Order* response) override;
  grpc::ServerUnaryReactor* TransitionOrder(grpc::CallbackServerContext* context,
                                            const v1::TransitionOrderRequest* request,
                                            v1::Order* response) override;
  grpc::ServerUnaryReactor* RecordPayout(grpc::CallbackServerContext* context,
                                         const v1::RecordPayoutRequest* request,
                                         v1::RecordPayoutResponse* response) override;
  grpc::ServerUnaryReactor* SummarizeOrders(grpc::CallbackServerContext* context,
                                            const v1::SummarizeOrdersRequest* request,
                                            v1::SummarizeOrdersResponse* response) override;
  grpc::ServerUnaryReactor* ListOrderEvents(grpc::CallbackServerContext* context,
                                            const v1::ListOrderEventsRequest* request,
                                            v1::ListOrderEventsResponse* response) override;
  grpc::ServerUnaryReactor* ReconcileItems(grpc::CallbackServerContext* context,
                                           const v1::ReconcileItemsRequest* request,
                                           v1::ReconcileItemsResponse* response) override;

 private:
  pg::Pool& pool_;
  pg::Pool& read_pool_;
  paging::PageSigner& signer_;
  rpc::Runner& runner_;
  const std::function<void()> notify_;
};

}  // namespace lockstep::orders
