#include <sstream>
#include <string>
#include <vector>

#include "common/service/manifest.h"
#include "common/service/service.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::service {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

ServiceSpec Spec() {
  return {.database_role = "orders_app",
          .manifest = {.required_revision = "r",
                       .uses = {{"catalog", "c", "d"}, {"orders", "r", "b"}},
                       .footprint = {"s.outbox", "s.outbox.kind"}},
          .plumbing = {.request_results = "s.request_results",
                       .outbox = "s.outbox",
                       .inbox = "s.inbox",
                       .signing_keys = "s.signing_keys"}};
}

absl::Status Resolve(ServiceSettings& service, const config::Environment& environment) {
  config::Settings settings("lockstep-test", "A test.");
  service.Bind(settings);
  return settings.Resolve(std::vector<std::string>(), environment).status();
}

TEST(ServiceSettings, OnlyTheDatabaseMustBeNamed) {
  ServiceSettings service(Spec());

  EXPECT_THAT(Resolve(service, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("CONFIG_INVALID")));
  EXPECT_OK(Resolve(service, {{"LOCKSTEP_DATABASE_URL", "dbname=a"}}));

  EXPECT_EQ(service.database_url, "dbname=a");
  EXPECT_EQ(service.endpoint_migration, "127.0.0.1:7104");
  EXPECT_EQ(service.pool_size, 4);
  EXPECT_TRUE(service.prepare_statements);
}

TEST(ServiceSettings, AReplicaIsForThoseWhoCanUseIt) {
  ServiceSettings without(Spec());
  ServiceSpec spec = Spec();
  spec.replica_use = "lists";
  ServiceSettings with(spec);
  const config::Environment both = {{"LOCKSTEP_DATABASE_URL", "dbname=a"},
                                    {"LOCKSTEP_READ_DATABASE_URL", "dbname=b"}};

  EXPECT_OK(Resolve(with, both));
  EXPECT_OK(Resolve(without, both));

  EXPECT_EQ(without.read_database_url, "");
  EXPECT_EQ(with.read_database_url, "dbname=b");
}

TEST(ServiceSettings, TheSmallestPoolIsTheServicesOwn) {
  const config::Environment one = {{"LOCKSTEP_DATABASE_URL", "dbname=a"},
                                   {"LOCKSTEP_POOL_SIZE", "1"}};
  ServiceSettings two_needed(Spec());
  ServiceSpec spec = Spec();
  spec.min_pool_size = 1;
  ServiceSettings one_needed(spec);

  EXPECT_THAT(Resolve(two_needed, one), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(Resolve(one_needed, one));
}

// Without a database or any other setting.
TEST(ServiceSettings, ShowsTheManifest) {
  ServiceSettings service(Spec());
  config::Settings settings("lockstep-test", "A test.");
  service.Bind(settings);
  const char* const args[] = {"lockstep-test", "--manifest"};
  std::ostringstream out;
  std::ostringstream err;

  EXPECT_EQ(settings.Load(2, args, {}, out, err), 0);

  EXPECT_NE(out.str().find("\"required_revision\": \"r\""), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("\"s.outbox.kind\""), std::string::npos) << out.str();
  EXPECT_EQ(err.str(), "");
}

TEST(ServiceSettings, BuiltForIsOfTheServiceItself) {
  EXPECT_EQ(BuiltFor(Spec().manifest, "orders"), "b");
  EXPECT_EQ(BuiltFor(Spec().manifest, "finance"), "");
}

}  // namespace
}  // namespace lockstep::service
