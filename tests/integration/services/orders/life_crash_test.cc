// Orders that are made, cancelled, sold and returned, with either process killed on the way.
// Sending the same requests again must leave what one undisturbed pass leaves, and nothing to
// reconcile.
#include <string>
#include <vector>

#include "common/status/macros.h"
#include "tests/integration/services/orders/crash_fixture.h"
#include "tests/support/call.h"

namespace lockstep::orders {
namespace {

using ::lockstep::testing::Call;

class LifeCrash : public CrashTest, public ::testing::WithParamInterface<const char*> {
 protected:
  LifeCrash() : CrashTest(3) {
    for (int i = 0; i < 3; ++i) {
      items_.push_back(database_.QueryText(
          "SELECT id FROM products.inventory ORDER BY id LIMIT 1 OFFSET " + std::to_string(i)));
    }
  }

  // Each request has an id of its own, the same one whenever it is sent.
  std::string NextRequestId() {
    const std::string number = std::to_string(++requests_);
    return "00000000-0000-4000-8000-" + std::string(12 - number.size(), '0') + number;
  }

  absl::StatusOr<std::string> Create(pb::OrderService::Stub& stub, int number) {
    pb::CreateOrderRequest request;
    pb::Order& order = *request.mutable_order();
    order.set_platform("platforms/ebay");
    order.set_external_id("ebay_" + std::to_string(number));
    order.set_inventory_item("inventoryItems/" + items_[static_cast<std::size_t>(number)]);
    order.mutable_gross_sale()->set_currency_code("EUR");
    order.mutable_gross_sale()->set_units(100);
    order.mutable_sold_at()->set_seconds(1'709'294'400);
    request.set_request_id(NextRequestId());
    ASSIGN_OR_RETURN(const pb::Order made,
                     Call(stub, &pb::OrderService::Stub::CreateOrder, request));
    return made.name();
  }

  absl::Status Move(pb::OrderService::Stub& stub, const std::string& name,
                    const std::vector<pb::OrderStatus>& statuses) {
    for (const pb::OrderStatus status : statuses) {
      pb::TransitionOrderRequest request;
      request.set_name(name);
      request.set_status(status);
      request.set_request_id(NextRequestId());
      RETURN_IF_ERROR(Call(stub, &pb::OrderService::Stub::TransitionOrder, request).status());
    }
    return absl::OkStatus();
  }

  // One order is cancelled, one is sold and returned, one is sold.
  absl::Status Play(const std::string& address) {
    requests_ = 0;
    const auto stub = pb::OrderService::NewStub(rpc::MakeChannel(address, {.retries = false}));
    const std::vector<pb::OrderStatus> sale = {
        pb::ORDER_STATUS_CONFIRMED, pb::ORDER_STATUS_SHIPPED, pb::ORDER_STATUS_AUTHENTICATING,
        pb::ORDER_STATUS_AUTHENTICATED, pb::ORDER_STATUS_COMPLETED};
    ASSIGN_OR_RETURN(const std::string cancelled, Create(*stub, 0));
    ASSIGN_OR_RETURN(const std::string returned, Create(*stub, 1));
    ASSIGN_OR_RETURN(const std::string sold, Create(*stub, 2));
    RETURN_IF_ERROR(Move(*stub, cancelled, {pb::ORDER_STATUS_CANCELLED}));
    RETURN_IF_ERROR(Move(*stub, returned, sale));
    RETURN_IF_ERROR(Move(*stub, sold, sale));
    return Move(*stub, returned, {pb::ORDER_STATUS_RETURNED});
  }

  void ExpectOnePass(const std::string& address) {
    const pb::ReconcileItemsResponse differences = Reconcile(address);
    EXPECT_EQ(differences.differences_size(), 0) << differences.DebugString();
    EXPECT_EQ(differences.pending_event_count(), 0);
    EXPECT_EQ(database_.QueryText("SELECT string_agg(external_id || ' ' || status, ', ' ORDER BY"
                                  " external_id) FROM transactions.orders"),
              "ebay_0 cancelled, ebay_1 returned, ebay_2 completed");
    // Made thrice, moved twelve times.
    EXPECT_EQ(database_.QueryText("SELECT count(*) FROM transactions.order_events"), "15");
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(database_.QueryText("SELECT status FROM products.inventory WHERE id = '" +
                                    items_[static_cast<std::size_t>(i)] + "'"),
                i == 2 ? "sold" : "in_stock");
    }
    EXPECT_EQ(database_.QueryText("SELECT count(*) || ' ' || min(inventory_item_id::text)"
                                  " FROM products.item_orders"),
              "1 " + items_[2]);
  }

 private:
  std::vector<std::string> items_;
  int requests_ = 0;
};

class OrdersKilledAt : public LifeCrash {};

TEST_P(OrdersKilledAt, LosesAndDoublesNothing) {
  {
    const auto orders = StartOrders({{"LOCKSTEP_KILLPOINT", GetParam()}});
    const std::string address = orders->Address();
    // It may die of its events, after the last answer.
    (void)Play(address);
    ASSERT_TRUE(orders->WasKilled(kPatience)) << orders->Log();
  }
  const auto orders = StartOrders({});
  const std::string address = orders->Address();

  ASSERT_OK(Play(address));

  ExpectOnePass(address);
}

INSTANTIATE_TEST_SUITE_P(Points, OrdersKilledAt,
                         ::testing::Values("pg.before_commit:2", "pg.commit_sent:2",
                                           "pg.after_commit:2", "pg.commit_sent:9",
                                           "pg.after_commit:9", "orders.dispatch.before_delivery",
                                           "orders.dispatch.after_delivery",
                                           "orders.dispatch.after_delivery:2", "outbox.delivered:2",
                                           "outbox.marked:2"),
                         PointName);

class CatalogKilledMeanwhile : public LifeCrash {};

TEST_P(CatalogKilledMeanwhile, LosesAndDoublesNothing) {
  const auto orders = StartOrders({});
  const std::string address = orders->Address();
  RestartCatalog({{"LOCKSTEP_KILLPOINT", GetParam()}});
  ASSERT_OK(Play(address));
  ASSERT_TRUE(catalog_->WasKilled(kPatience)) << catalog_->Log();
  RestartCatalog({});

  ExpectOnePass(address);
}

// Three reservations, a release, two sales and a return, unless several go in one call.
INSTANTIATE_TEST_SUITE_P(Points, CatalogKilledMeanwhile,
                         ::testing::Values("pg.before_commit:1", "pg.after_commit:1",
                                           "pg.commit_sent:4", "pg.after_commit:5"),
                         PointName);

}  // namespace
}  // namespace lockstep::orders
