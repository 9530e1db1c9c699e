// The housekeeping of each service over a migrated database, as the role that the service has.
#include "common/maintenance/plumbing.h"

#include <string>

#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "services/catalog/plumbing.h"
#include "services/finance/plumbing.h"
#include "services/orders/plumbing.h"
#include "tests/support/test_database.h"

namespace lockstep::maintenance {
namespace {

using lockstep::testing::TestDatabase;

struct ServiceCase {
  const char* name;
  const char* role;
  PlumbingTables tables;
};

class PlumbingTest : public ::testing::TestWithParam<ServiceCase> {
 protected:
  void InsertAnswer(const std::string& method, const std::string& expires_at) {
    database_.Execute("INSERT INTO " + tables_.request_results.text() +
                      " (request_id, method, digest, response, expires_at)"
                      " VALUES (gen_random_uuid(), '" +
                      method + "', '', '', " + expires_at + ")");
  }
  void InsertSent(const std::string& kind, const std::string& delivered_at,
                  const std::string& dead_at) {
    database_.Execute("INSERT INTO " + tables_.outbox.text() +
                      " (aggregate, kind, payload, created_at, delivered_at, dead_at)"
                      " VALUES ('a', '" +
                      kind + "', '{}', now() - interval '1 year', " + delivered_at + ", " +
                      dead_at + ")");
  }
  void InsertApplied(const std::string& source, const std::string& applied_at) {
    database_.Execute("INSERT INTO " + tables_.inbox.text() +
                      " (event_id, source, applied_at) VALUES (gen_random_uuid(), '" + source +
                      "', " + applied_at + ")");
  }
  std::string Left(const std::string& column, pg::TableName table) {
    return database_.QueryText("SELECT string_agg(" + column + ", ' ' ORDER BY " + column +
                               ") FROM " + table.text());
  }

  TestDatabase database_ = TestDatabase::CreateMigrated();
  pg::Pool pool_{{.database_url = database_.url(GetParam().role), .size = 1}};
  const PlumbingTables& tables_ = GetParam().tables;
};

TEST_P(PlumbingTest, OnlyWhatNobodyNeedsIsPurged) {
  InsertAnswer("expired", "now() - interval '1 second'");
  InsertAnswer("fresh", "now() + interval '1 hour'");
  InsertSent("delivered_long_ago", "now() - interval '31 days'", "NULL");
  InsertSent("delivered_lately", "now() - interval '29 days'", "NULL");
  InsertSent("dead", "NULL", "now() - interval '1 year'");
  InsertSent("pending", "NULL", "NULL");
  InsertApplied("applied_long_ago", "now() - interval '91 days'");
  InsertApplied("applied_lately", "now() - interval '89 days'");

  for (const Task& task : PurgePlumbing(pool_, tables_)) {
    EXPECT_THAT(task.run(Context::WithTimeout(absl::Seconds(30))),
                lockstep::testing::IsOkAndHolds(1))
        << task.name;
  }

  EXPECT_EQ(Left("method", tables_.request_results), "fresh");
  EXPECT_EQ(Left("kind", tables_.outbox), "dead delivered_lately pending");
  EXPECT_EQ(Left("source", tables_.inbox), "applied_lately");
}

INSTANTIATE_TEST_SUITE_P(
    Services, PlumbingTest,
    ::testing::Values(ServiceCase{"Catalog", "catalog_app", catalog::kPlumbing},
                      ServiceCase{"Orders", "orders_app", orders::kPlumbing},
                      ServiceCase{"Finance", "finance_app", finance::kPlumbing}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace lockstep::maintenance
