#include <google/protobuf/wrappers.pb.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/pg/pool.h"
#include "common/request_id/request_id.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace lockstep::request_id {
namespace {

using google::protobuf::StringValue;
using lockstep::testing::HasField;
using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using lockstep::testing::TestDatabase;
using ::testing::AllOf;

constexpr char kId[] = "7f3c0000-0000-4000-8000-00000000abcd";
constexpr char kMethod[] = "test.v1.Shop/Sell";

// Has what With() needs of a request message: a request_id, and a body to digest.
class Request {
 public:
  Request(std::string id, std::string_view body) : id_(std::move(id)) {
    body_.set_value(std::string(body));
  }
  const std::string& request_id() const { return id_; }
  void clear_request_id() { id_.clear(); }
  operator const google::protobuf::MessageLite&() const { return body_; }  // NOLINT

 private:
  std::string id_;
  StringValue body_;
};

Context Soon() { return Context::WithTimeout(absl::Seconds(30)); }

class RequestIdSql : public ::testing::Test {
 protected:
  void SetUp() override {
    database_.Execute(
        "CREATE SCHEMA shop;"
        "CREATE TABLE shop.request_results (request_id uuid PRIMARY KEY, method text NOT NULL,"
        " digest bytea NOT NULL, response bytea NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL);"
        "CREATE INDEX ON shop.request_results (expires_at);"
        "CREATE TABLE shop.sales (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)");
    pool_ = NewPool();
  }

  std::unique_ptr<pg::Pool> NewPool() {
    return std::make_unique<pg::Pool>(pg::PoolOptions{
        .database_url = database_.url(), .size = 4, .acquire_timeout = absl::Seconds(30)});
  }

  // Sells once per request id; the answer is the id of the new sale.
  absl::StatusOr<std::string> Sell(pg::Pool& pool, const Request& request,
                                   std::string_view method = kMethod) {
    return pool.Write(Soon(), [&](pg::Tx& tx) -> absl::StatusOr<std::string> {
      const auto answer =
          With(tx, "shop.request_results", request, method,
               [](pg::Tx& inner) -> absl::StatusOr<StringValue> {
                 ASSIGN_OR_RETURN(const pg::Row row, inner.One("INSERT INTO shop.sales (note)"
                                                               " VALUES ('x') RETURNING id"));
                 StringValue response;
                 response.set_value("sale " + row.Text("id"));
                 return response;
               });
      if (!answer.ok()) return answer.status();
      return answer->value();
    });
  }
  absl::StatusOr<std::string> Sell(const Request& request) { return Sell(*pool_, request); }

  std::string Sales() { return database_.QueryText("SELECT count(*) FROM shop.sales"); }

  TestDatabase database_ = TestDatabase::Create();
  std::unique_ptr<pg::Pool> pool_;
};

TEST_F(RequestIdSql, TheSecondTimeGivesTheFirstAnswer) {
  ASSERT_OK_AND_ASSIGN(const std::string first, Sell(Request(kId, "body")));

  EXPECT_THAT(Sell(Request(kId, "body")), IsOkAndHolds(first));
  EXPECT_THAT(Sell(Request("7F3C0000-0000-4000-8000-00000000ABCD", "body")), IsOkAndHolds(first));
  EXPECT_EQ(Sales(), "1");
}

TEST_F(RequestIdSql, WithoutAnIdEveryCallCounts) {
  ASSERT_OK(Sell(Request("", "body")));
  ASSERT_OK(Sell(Request("", "body")));

  EXPECT_EQ(Sales(), "2");
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM shop.request_results"), "0");
}

TEST_F(RequestIdSql, FiftyConcurrentDuplicatesGiveOneEffectAndEqualAnswers) {
  const auto other_pool = NewPool();
  constexpr int kCalls = 50;
  absl::Notification start;
  std::vector<absl::StatusOr<std::string>> answers(kCalls, absl::UnknownError("not run"));
  std::vector<std::thread> threads;
  for (int i = 0; i < kCalls; ++i) {
    threads.emplace_back([&, i] {
      start.WaitForNotification();
      answers[static_cast<std::size_t>(i)] =
          Sell(i % 2 == 0 ? *pool_ : *other_pool, Request(kId, "body"));
    });
  }
  start.Notify();
  for (std::thread& thread : threads) thread.join();

  ASSERT_OK(answers[0]);
  for (const auto& answer : answers) EXPECT_THAT(answer, IsOkAndHolds(*answers[0]));
  EXPECT_EQ(Sales(), "1");
}

TEST_F(RequestIdSql, AnotherBodyOrMethodIsRefused) {
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(Reason("REQUEST_ID_REUSED"), HasField("request_id")));
  ASSERT_OK(Sell(Request(kId, "body")));

  EXPECT_THAT(Sell(Request(kId, "another body")), refused);
  EXPECT_THAT(Sell(*pool_, Request(kId, "body"), "test.v1.Shop/Return"), refused);
  EXPECT_EQ(Sales(), "1");
}

TEST_F(RequestIdSql, AMalformedIdIsRefused) {
  EXPECT_THAT(Sell(Request("x'; --", "body")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("REQUEST_ID_INVALID"), HasField("request_id"))));
}

TEST_F(RequestIdSql, AFailureIsNotKept) {
  const absl::Status failed = pool_->Write(Soon(), [&](pg::Tx& tx) {
    return With(tx, "shop.request_results", Request(kId, "body"), kMethod,
                [](pg::Tx&) -> absl::StatusOr<StringValue> {
                  return absl::FailedPreconditionError("not now");
                })
        .status();
  });
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kFailedPrecondition));

  EXPECT_OK(Sell(Request(kId, "body")));
  EXPECT_EQ(Sales(), "1");
}

TEST_F(RequestIdSql, ADuplicateOfARolledBackRequestDoesTheWork) {
  absl::Notification claimed, may_end;
  std::thread first([&] {
    const absl::Status status = pool_->Write(Soon(), [&](pg::Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(
          Begin(tx, "shop.request_results", kId, kMethod, Digest(Request(kId, "body"))).status());
      claimed.Notify();
      may_end.WaitForNotification();
      return absl::AbortedError("changed my mind");
    });
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted));
  });
  claimed.WaitForNotification();
  absl::StatusOr<std::string> answer = absl::UnknownError("not run");
  std::thread second([&] { answer = Sell(Request(kId, "body")); });
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (database_.QueryText("SELECT count(*) FROM pg_stat_activity WHERE datname ="
                             " current_database() AND wait_event_type = 'Lock'") != "1") {
    ASSERT_LT(absl::Now(), deadline) << "the duplicate does not wait";
  }
  may_end.Notify();
  first.join();
  second.join();

  EXPECT_OK(answer);
  EXPECT_EQ(Sales(), "1");
}

TEST_F(RequestIdSql, AnswersAreKeptForSevenDays) {
  ASSERT_OK(Sell(Request(kId, "body")));

  EXPECT_EQ(database_.QueryText("SELECT expires_at - created_at FROM shop.request_results"),
            "7 days");
}

TEST_F(RequestIdSql, AnExpiredAnswerIsForgottenEvenBeforeItIsPurged) {
  ASSERT_OK(Sell(Request(kId, "body")));
  database_.Execute("UPDATE shop.request_results SET expires_at = now()");

  EXPECT_THAT(Sell(Request(kId, "another body")), IsOkAndHolds(std::string("sale 2")));
  EXPECT_THAT(Sell(Request(kId, "another body")), IsOkAndHolds(std::string("sale 2")));
}

TEST_F(RequestIdSql, PurgeDeletesWhatHasExpiredInBatches) {
  database_.Execute(
      "INSERT INTO shop.request_results SELECT gen_random_uuid(), 'm', '', '', now(),"
      " now() + (CASE WHEN i <= 25 THEN -1 ELSE 1 END) * interval '1 hour'"
      " FROM generate_series(1, 30) AS i");

  EXPECT_THAT(PurgeExpired(*pool_, Soon(), "shop.request_results", 10), IsOkAndHolds(25));
  EXPECT_EQ(database_.QueryText("SELECT count(*) FROM shop.request_results"), "5");
}

TEST_F(RequestIdSql, AnswersMayBeAnyBytes) {
  const std::string bytes("\0\xff\\x41\n", 7);
  ASSERT_OK(pool_->Write(Soon(), [&](pg::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(Begin(tx, "shop.request_results", kId, kMethod, "d").status());
    return Finish(tx, "shop.request_results", kId, bytes);
  }));

  const auto kept = pool_->Write(
      Soon(), [&](pg::Tx& tx) { return Begin(tx, "shop.request_results", kId, kMethod, "d"); });
  EXPECT_THAT(kept, IsOkAndHolds(std::optional<std::string>(bytes)));
}

TEST_F(RequestIdSql, FinishWithoutBeginIsABug) {
  const absl::Status status =
      pool_->Write(Soon(), [&](pg::Tx& tx) { return Finish(tx, "shop.request_results", kId, ""); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, Reason("INVARIANT_BROKEN")));
}

}  // namespace
}  // namespace lockstep::request_id
