#include "common/outbox/inbox.h"

#include <atomic>
#include <thread>

#include "tests/integration/common/outbox/fixture.h"

namespace lockstep::outbox {
namespace {

using lockstep::testing::HasField;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;

constexpr char kEvent[] = "7f3c0000-0000-4000-8000-00000000abcd";
constexpr char kOther[] = "0f3c0000-0000-4000-8000-00000000abcd";

class InboxSql : public OutboxFixture {
 protected:
  absl::StatusOr<bool> Apply(pg::Pool& pool, const std::string& event_id) {
    return pool.Write(Soon(), [&](pg::Tx& tx) {
      return ApplyOnce(tx, kInbox, event_id, "orders", [](pg::Tx& inner) {
        return inner.Execute("INSERT INTO shop.effects (what) VALUES ('sold')").status();
      });
    });
  }
  std::string Effects() { return database_.QueryText("SELECT count(*) FROM shop.effects"); }
};

TEST_F(InboxSql, AnEventIsAppliedOnce) {
  EXPECT_THAT(Apply(*pool_, kEvent), IsOkAndHolds(true));
  EXPECT_THAT(Apply(*pool_, kEvent), IsOkAndHolds(false));
  EXPECT_THAT(Apply(*pool_, "7F3C0000-0000-4000-8000-00000000ABCD"), IsOkAndHolds(false));
  EXPECT_THAT(Apply(*pool_, kOther), IsOkAndHolds(true));

  EXPECT_EQ(Effects(), "2");
}

TEST_F(InboxSql, AnEventWhoseApplicationFailsIsNotRecorded) {
  const auto failed = pool_->Write(Soon(), [&](pg::Tx& tx) {
    return ApplyOnce(tx, kInbox, kEvent, "orders",
                     [](pg::Tx&) -> absl::Status { return absl::UnavailableError("later"); });
  });
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnavailable));

  EXPECT_THAT(Apply(*pool_, kEvent), IsOkAndHolds(true));
}

TEST_F(InboxSql, ConcurrentDeliveriesApplyOnce) {
  const auto other_pool = NewPool();
  std::atomic<int> applied = 0, failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      const auto ran = Apply(i % 2 == 0 ? *pool_ : *other_pool, kEvent);
      if (!ran.ok()) {
        ++failed;
      } else if (*ran) {
        ++applied;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(applied, 1);
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Effects(), "1");
}

TEST_F(InboxSql, ClaimManyReturnsWhatIsNew) {
  const auto claim = [&](std::vector<std::string> ids) {
    return pool_->Write(Soon(), [&](pg::Tx& tx) { return ClaimMany(tx, kInbox, ids, "orders"); });
  };
  ASSERT_OK(Apply(*pool_, kEvent));

  EXPECT_THAT(claim({kEvent, kOther, kOther}), IsOkAndHolds(ElementsAre(kOther)));
  EXPECT_THAT(claim({kOther}), IsOkAndHolds(::testing::IsEmpty()));
  EXPECT_THAT(claim({}), IsOkAndHolds(::testing::IsEmpty()));
}

TEST_F(InboxSql, AMalformedIdIsRefused) {
  EXPECT_THAT(Apply(*pool_, "12"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("EVENT_ID_INVALID"), HasField("event_id"))));
}

TEST_F(InboxSql, PurgeForgetsOldIds) {
  database_.Execute(
      "INSERT INTO shop.inbox SELECT gen_random_uuid(), 'orders',"
      " now() - i * interval '1 day' FROM generate_series(0, 29) AS i");

  EXPECT_THAT(PurgeApplied(*pool_, Soon(), kInbox, absl::Hours(24 * 10), 7), IsOkAndHolds(20));
}

}  // namespace
}  // namespace lockstep::outbox
