// The webhook: what is delivered, how often, in which order, and what a restart remembers.
#include <functional>

#include "gmock/gmock.h"
#include "services/migration/server/webhook/dispatcher.h"
#include "services/migration/server/webhook/signature.h"
#include "tests/integration/services/migration/engine_fixture.h"
#include "tests/integration/services/migration/hook_receiver.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

constexpr char kKey[] = "0123456789abcdef0123";

class WebhookTest : public EngineTest {
 protected:
  WebhookTest() { folder_.AddRevision("catalog", "aaaa"); }

  std::unique_ptr<webhook::Dispatcher> NewDispatcher(int max_attempts = 30) {
    webhook::WebhookOptions options;
    options.url = receiver_.url();
    options.signing_key = kKey;
    options.events = {"run_started", "run_finished"};
    options.timeout = absl::Milliseconds(300);
    options.max_attempts = max_attempts;
    options.poll_interval = absl::Milliseconds(20);
    EXPECT_THAT(webhook::Check(options), IsOk());
    return std::make_unique<webhook::Dispatcher>(Options(), options);
  }
  // What was over before it is no news.
  void AwaitBegin() const {
    EXPECT_TRUE(Eventually(
        [&] { return db_.QueryText("SELECT count(*) FROM migration.webhook_state") == "1"; }));
  }
  bool AwaitTaken(std::size_t count) const {
    return Eventually([&] { return receiver_.taken().size() >= count; });
  }
  std::string State(const std::string& column) const {
    return db_.QueryText("SELECT " + column + " FROM migration.webhook_state");
  }

  HookReceiver receiver_;
};

TEST_F(WebhookTest, DeliversWhatIsWantedInOrderAndSigned) {
  ASSERT_THAT(Upgrade(), IsOk());  // before there was a webhook
  const auto dispatcher = NewDispatcher();
  AwaitBegin();

  ASSERT_THAT(Downgrade("base"), IsOk());

  ASSERT_TRUE(AwaitTaken(2));
  EXPECT_THAT(receiver_.taken(), ElementsAre("run_started", "run_finished"));
  for (const HookReceiver::Request& request : receiver_.requests()) {
    const std::string signature = request.Header(webhook::kSignatureHeader);
    ASSERT_TRUE(signature.starts_with("t=")) << request.headers;
    const std::int64_t at = std::strtoll(signature.c_str() + 2, nullptr, 10);
    EXPECT_EQ(signature, webhook::SignatureOf(kKey, at, request.body));
    EXPECT_LE(absl::AbsDuration(absl::Now() - absl::FromUnixSeconds(at)), absl::Minutes(1));
    EXPECT_EQ(request.Header("Lockstep-Event-Id"), request.id());
  }
  EXPECT_TRUE(Eventually([&] { return State("delivered") == "2"; }));
}

TEST_F(WebhookTest, SendsAgainWhatFailsWasSlowOrWasCut) {
  receiver_.Do({{.status = 503}, {.status = 0}});
  const auto dispatcher = NewDispatcher();
  AwaitBegin();

  ASSERT_THAT(Upgrade(), IsOk());

  ASSERT_TRUE(AwaitTaken(2));
  EXPECT_THAT(receiver_.taken(), ElementsAre("run_started", "run_finished"));
  const auto requests = receiver_.requests();
  ASSERT_GE(requests.size(), 4U);
  EXPECT_EQ(requests[0].id(), requests[1].id());
  EXPECT_EQ(requests[0].id(), requests[2].id());
  EXPECT_TRUE(Eventually([&] { return State("delivered") == "2"; }));
  EXPECT_EQ(State("undeliverable"), "0");
}

TEST_F(WebhookTest, ASlowReceiverCountsAsFailedAndHoldsUpNoRun) {
  receiver_.Do({{.delay = absl::Seconds(2)}});
  const auto dispatcher = NewDispatcher();
  AwaitBegin();

  ASSERT_THAT(Upgrade(), IsOk());
  EXPECT_THAT(receiver_.taken(), IsEmpty());  // the run did not wait for it

  ASSERT_TRUE(Eventually([&] { return State("delivered") == "2"; }));
  EXPECT_GE(std::stoi(State("failed_attempts")), 1);
}

TEST_F(WebhookTest, GivesUpWhatIsRefusedAndGoesOn) {
  receiver_.Do({{.status = 400}});
  const auto dispatcher = NewDispatcher(1);
  AwaitBegin();

  ASSERT_THAT(Upgrade(), IsOk());

  ASSERT_TRUE(AwaitTaken(1));
  EXPECT_THAT(receiver_.taken(), ElementsAre("run_finished"));
  EXPECT_EQ(db_.QueryText("SELECT kind || ' ' || attempts || ' ' || last_error"
                          "  FROM migration.webhook_undeliverable"),
            "run_started 1 HTTP 400");
  EXPECT_EQ(State("undeliverable"), "1");
}

TEST_F(WebhookTest, FollowsNoRedirect) {
  HookReceiver elsewhere;
  receiver_.Do({{.status = 307, .more_headers = "Location: " + elsewhere.url() + "\r\n"}});
  const auto dispatcher = NewDispatcher(1);
  AwaitBegin();

  ASSERT_THAT(Upgrade(), IsOk());

  ASSERT_TRUE(AwaitTaken(1));
  EXPECT_EQ(State("undeliverable"), "1");
  EXPECT_THAT(elsewhere.requests(), IsEmpty());
}

TEST_F(WebhookTest, ARestartGoesOnWhereItWas) {
  {
    const auto dispatcher = NewDispatcher();
    AwaitBegin();
    ASSERT_THAT(Upgrade(), IsOk());
    ASSERT_TRUE(Eventually([&] { return State("delivered") == "2"; }));
  }
  ASSERT_THAT(Downgrade("base"), IsOk());  // while nobody sends

  const auto dispatcher = NewDispatcher();

  ASSERT_TRUE(Eventually([&] { return State("delivered") == "4"; }));
  EXPECT_THAT(receiver_.requests(), SizeIs(4));
}

TEST_F(WebhookTest, OneOfTwoProcessesSends) {
  const auto first = NewDispatcher();
  AwaitBegin();
  const auto second = NewDispatcher();

  ASSERT_THAT(Upgrade(), IsOk());

  ASSERT_TRUE(Eventually([&] { return State("delivered") == "2"; }));
  EXPECT_THAT(receiver_.requests(), SizeIs(2));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d"
                          "    ON d.oid = l.database AND d.datname = current_database()"
                          " WHERE l.locktype = 'advisory' AND l.granted"),
            "1");
}

}  // namespace
}  // namespace lockstep::migration
