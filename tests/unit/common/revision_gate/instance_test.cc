#include "common/revision_gate/instance.h"

#include <string>

#include "gmock/gmock.h"

namespace lockstep::revision_gate {
namespace {

using ::testing::EndsWith;
using ::testing::SizeIs;
using ::testing::StartsWith;

// printf 'orders@host/1/2' | sha256sum
TEST(InstanceTag, IsTheBeginningOfTheDigest) {
  EXPECT_EQ(InstanceTag("orders@host/1/2"), "d28c5f1fbe66");
  EXPECT_EQ(InstanceTag(""), "e3b0c44298fc");
}

TEST(SessionName, EndsInTheTag) {
  EXPECT_EQ(SessionName("lockstep-orders", "orders@host/1/2"), "lockstep-orders d28c5f1fbe66");
  EXPECT_EQ(SessionName("lockstep-orders-outbox", "orders@host/1/2"),
            "lockstep-orders-outbox d28c5f1fbe66");
}

TEST(SessionName, KeepsTheTagWhereTheNameIsTooLong) {
  const std::string name = SessionName(std::string(100, 'x'), "orders@host/1/2");

  EXPECT_THAT(name, SizeIs(63));
  EXPECT_THAT(name, EndsWith("x d28c5f1fbe66"));
}

TEST(NewInstanceId, NamesItsServiceAndFitsTheRegistry) {
  const std::string id = NewInstanceId("catalog");

  EXPECT_THAT(id, StartsWith("catalog@"));
  EXPECT_LE(id.size(), 100U);
}

}  // namespace
}  // namespace lockstep::revision_gate
