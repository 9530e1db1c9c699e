#include "common/outbox/outbox.h"

#include "tests/integration/common/outbox/fixture.h"

namespace lockstep::outbox {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

using OutboxSql = OutboxFixture;

TEST_F(OutboxSql, EventsBelongToTheirTransaction) {
  const absl::Status failed = pool_->Write(Soon(), [&](pg::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(Append(tx, kOutbox, {"items/1", "sold", "{}"}));
    return absl::AbortedError("no");
  });
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(Count("true"), "0");

  EXPECT_OK(pool_->Write(Soon(), [&](pg::Tx& tx) {
    return Append(tx, kOutbox, {"items/1", "sold", R"({"item": "1"})"});
  }));
  EXPECT_EQ(
      database_.QueryText("SELECT aggregate || kind || (payload ->> 'item') FROM shop.outbox"),
      "items/1sold1");
}

TEST_F(OutboxSql, ManyEventsKeepTheirOrderAndTheirText) {
  std::vector<NewEvent> events;
  for (int i = 0; i < 30'000; ++i) {
    events.push_back({"items/\t\\" + std::to_string(i), "sold\n\"é\"",
                      "{\"n\": " + std::to_string(i) + R"(, "text": "tab\t\\ \"é\" line\n"})"});
  }

  ASSERT_OK(AppendAll(events));

  EXPECT_EQ(Count("true"), "30000");
  EXPECT_EQ(database_.QueryText(
                "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY sequence) - 1 AS n,"
                " aggregate, kind, payload FROM shop.outbox) AS e WHERE"
                " aggregate = E'items/\\t\\\\' || n AND kind = E'sold\\n\"é\"'"
                " AND (payload ->> 'n')::bigint = n"
                " AND payload ->> 'text' = E'tab\\t\\\\ \"é\" line\\n'"),
            "30000");
}

TEST_F(OutboxSql, NoEventsIsFine) { EXPECT_OK(AppendAll({})); }

TEST_F(OutboxSql, BadEventsAreRefused) {
  const auto invalid = StatusIs(absl::StatusCode::kInvalidArgument, Reason("OUTBOX_EVENT_INVALID"));

  EXPECT_THAT(AppendAll({{"", "sold", "{}"}}), invalid);
  EXPECT_THAT(AppendAll({{"items/1", "", "{}"}}), invalid);
  EXPECT_THAT(AppendAll({{"items/1", "sold", std::string("{\0}", 3)}}), invalid);
  EXPECT_THAT(AppendAll({{"items/1", "sold", "{}"}, {"items/1", "sold", "{not json"}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(Count("true"), "0");
}

TEST_F(OutboxSql, LagIsTheAgeOfTheOldestPendingEvent) {
  const auto lag = [&] {
    return pool_->Read(Soon(), [](pg::Tx& tx) { return ReadLag(tx, kOutbox); }).value();
  };
  EXPECT_EQ(lag().pending, 0);
  EXPECT_EQ(lag().oldest, absl::ZeroDuration());

  ASSERT_OK(AppendAll({{"a", "k", "{}"}, {"b", "k", "{}"}, {"c", "k", "{}"}, {"d", "k", "{}"}}));
  database_.Execute(
      "UPDATE shop.outbox SET created_at = now() - interval '1 day', delivered_at = now()"
      " WHERE aggregate = 'a';"
      "UPDATE shop.outbox SET created_at = now() - interval '1 day', dead_at = now()"
      " WHERE aggregate = 'b';"
      "UPDATE shop.outbox SET created_at = now() - interval '10 minutes' WHERE aggregate = 'c'");

  EXPECT_EQ(lag().pending, 2);
  EXPECT_GE(lag().oldest, absl::Minutes(10));
  EXPECT_LT(lag().oldest, absl::Minutes(11));
}

TEST_F(OutboxSql, PurgeDeletesOldDeliveredEventsOnly) {
  std::vector<NewEvent> events(30, NewEvent{"a", "k", "{}"});
  ASSERT_OK(AppendAll(events));
  database_.Execute(
      "UPDATE shop.outbox SET delivered_at = now() - interval '2 days' WHERE sequence <= 25;"
      "UPDATE shop.outbox SET delivered_at = now() WHERE sequence = 26;"
      "UPDATE shop.outbox SET dead_at = now() - interval '2 days' WHERE sequence = 27");

  EXPECT_THAT(PurgeDelivered(*pool_, Soon(), kOutbox, absl::Hours(24), 10), IsOkAndHolds(25));
  EXPECT_EQ(Count("true"), "5");
}

}  // namespace
}  // namespace lockstep::outbox
