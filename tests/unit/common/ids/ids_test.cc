#include <cstdint>
#include <set>
#include <string>
#include <unordered_set>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash_testing.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/ids/id.h"
#include "common/ids/resource_name.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::ids {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;

using OrderId = Id<struct OrderTag>;
using ProductId = Id<struct ProductTag>;
static_assert(!std::is_convertible_v<OrderId, ProductId>);
static_assert(!std::is_convertible_v<Uuid, OrderId>);

constexpr char kText[] = "7f3c2a10-9d4e-4b6f-8a1c-5e2d3f4a5b6c";

TEST(Uuid, ReadsAnyCaseAndWritesLowerCase) {
  ASSERT_OK_AND_ASSIGN(const Uuid uuid, Uuid::Parse("7F3C2A10-9d4e-4B6F-8a1c-5E2D3F4A5B6C"));
  EXPECT_EQ(uuid.text(), kText);
  EXPECT_EQ(uuid.bytes()[0], 0x7F);
  EXPECT_EQ(uuid.bytes()[15], 0x6C);
}

TEST(Uuid, RefusesEveryOtherForm) {
  for (const std::string_view text :
       {"", "7f3c2a10", "7f3c2a109d4e4b6f8a1c5e2d3f4a5b6c",
        "{7f3c2a10-9d4e-4b6f-8a1c-5e2d3f4a5b6c}", "7f3c2a10-9d4e-4b6f-8a1c-5e2d3f4a5b6",
        "7f3c2a10-9d4e-4b6f-8a1c-5e2d3f4a5b6cc", "7f3c2a1g-9d4e-4b6f-8a1c-5e2d3f4a5b6c",
        "7f3c2a1-09d4e-4b6f-8a1c-5e2d3f4a5b6c", "7f3c2a10-9d4e-4b6f-8a1c-5e2d3f4a5b6 ",
        "7f3c2a10_9d4e_4b6f_8a1c_5e2d3f4a5b6c"}) {
    EXPECT_THAT(Uuid::Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("UUID_MALFORMED")))
        << text;
  }
}

TEST(Uuid, GeneratesDistinctVersion7) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const Uuid uuid = Uuid::Generate();
    EXPECT_EQ(uuid.text()[14], '7');
    EXPECT_NE(std::string("89ab").find(uuid.text()[19]), std::string::npos);
    EXPECT_THAT(Uuid::Parse(uuid.text()), IsOkAndHolds(uuid));
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(Uuid().is_nil());
}

TEST(Uuid, LaterOnesAreGreaterAndTellTheirTime) {
  const auto milliseconds = [](const Uuid& uuid) {
    std::int64_t value = 0;
    for (std::size_t i = 0; i < 6; ++i) value = value * 256 + uuid.bytes()[i];
    return value;
  };
  const std::int64_t before = absl::ToUnixMillis(absl::Now());
  Uuid last = Uuid::Generate();
  for (int i = 0; i < 20; ++i) {
    absl::SleepFor(absl::Microseconds(50));
    const Uuid next = Uuid::Generate();
    EXPECT_LT(last, next);
    last = next;
  }
  EXPECT_GE(milliseconds(last), before);
  EXPECT_LE(milliseconds(last), absl::ToUnixMillis(absl::Now()));
}

TEST(Id, BehavesLikeAValue) {
  ASSERT_OK_AND_ASSIGN(const OrderId id, OrderId::Parse(kText));
  const OrderId other = OrderId::Generate();

  EXPECT_EQ(id.text(), kText);
  EXPECT_EQ(id, OrderId(id.uuid()));
  EXPECT_NE(id, other);
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({id, other, OrderId()}));
  EXPECT_EQ((std::unordered_set<OrderId>{id, id, other}.size()), 2u);
  EXPECT_EQ((absl::flat_hash_set<OrderId>{id, id, other}.size()), 2u);
}

TEST(Id, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(OrderId::Parse("x", "request_id"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("UUID_MALFORMED"), HasField("request_id"))));
  EXPECT_OK(OrderId::Parse(kText, "request_id"));
}

TEST(ResourceName, HoldsAnId) {
  const std::string name = std::string("orders/") + kText;
  ASSERT_OK_AND_ASSIGN(const OrderId id, IdFromName<OrderId>(name, "orders", "name"));
  EXPECT_EQ(ResourceName("orders", id), name);
  EXPECT_OK(IdFromName<OrderId>("orders/7F3C2A10-9D4E-4B6F-8A1C-5E2D3F4A5B6C", "orders", "name"));
}

TEST(ResourceName, RefusesOtherShapes) {
  const std::string uuid = kText;
  for (const std::string& name :
       {std::string(), std::string("orders"), std::string("orders/"), uuid, "order/" + uuid,
        "Orders/" + uuid, "/orders/" + uuid, "orders//" + uuid, "orders/" + uuid + "/",
        "orders/" + uuid + "/lines/1", "ordersx/" + uuid, std::string("orders/stockx")}) {
    EXPECT_THAT(IdFromName<OrderId>(name, "orders", "order.name"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(Reason("RESOURCE_NAME_MALFORMED"), HasField("order.name"))))
        << name;
  }
}

TEST(ResourceName, HoldsASlug) {
  EXPECT_THAT(SlugFromName("platforms/stockx", "platforms", "platform"), IsOkAndHolds("stockx"));
  EXPECT_THAT(LastSegment("revisions/84bc4d8b03ef", "revisions", "name"),
              IsOkAndHolds("84bc4d8b03ef"));
  for (const char* name : {"platforms/", "platforms/StockX", "platforms/a b", "platforms/-a",
                           "platforms/a-", "platforms/a/b", "stockx"}) {
    EXPECT_THAT(SlugFromName(name, "platforms", "platform"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(Reason("RESOURCE_NAME_MALFORMED"), HasField("platform"))))
        << name;
  }
}

TEST(Slug, IsShortLowerCaseAscii) {
  EXPECT_TRUE(IsSlug("a"));
  EXPECT_TRUE(IsSlug("laced-2"));
  EXPECT_TRUE(IsSlug(std::string(100, 'a')));
  EXPECT_FALSE(IsSlug(std::string(101, 'a')));
  EXPECT_FALSE(IsSlug(""));
  EXPECT_FALSE(IsSlug("gr\xC3\xBCn"));
  EXPECT_FALSE(IsSlug("a_b"));
}

}  // namespace
}  // namespace lockstep::ids
