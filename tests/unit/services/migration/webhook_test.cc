// The pure parts of the webhook: signature, rules of delivery, body, settings.
#include "common/json/json.h"
#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/server/webhook/delivery_rules.h"
#include "services/migration/server/webhook/message.h"
#include "services/migration/server/webhook/settings.h"
#include "services/migration/server/webhook/signature.h"

namespace lockstep::migration::webhook {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

// printf '1735689600.{"id":"r/1"}' | openssl dgst -sha256 -hmac 0123456789abcdef0123
TEST(WebhookSignature, IsWhatOpensslComputes) {
  EXPECT_EQ(SignatureOf("0123456789abcdef0123", 1'735'689'600, "{\"id\":\"r/1\"}"),
            "t=1735689600,v1=2e6e3b727b41501153b477d83b8255b18a81f68113f96db2aa83c6f38ad6766d");
}

TEST(WebhookDelivery, JudgesAnswers) {
  for (const int status : {200, 201, 204}) EXPECT_EQ(VerdictOf(status), Verdict::kDelivered);
  for (const int status : {0, 408, 429, 500, 503}) EXPECT_EQ(VerdictOf(status), Verdict::kRetry);
  for (const int status : {301, 307, 400, 401, 404, 410}) {
    EXPECT_EQ(VerdictOf(status), Verdict::kRefused);
  }
}

TEST(WebhookDelivery, GivesUpSoonerWhatIsRefused) {
  EXPECT_FALSE(IsGivenUp(Verdict::kRefused, 2, 30));
  EXPECT_TRUE(IsGivenUp(Verdict::kRefused, 3, 30));
  EXPECT_TRUE(IsGivenUp(Verdict::kRefused, 1, 1));
  EXPECT_FALSE(IsGivenUp(Verdict::kRetry, 29, 30));
  EXPECT_TRUE(IsGivenUp(Verdict::kRetry, 30, 30));
}

TEST(WebhookDelivery, PausesLongerAndLonger) {
  EXPECT_EQ(DelayAfter(1, 0), absl::Seconds(1));
  EXPECT_EQ(DelayAfter(1, 1), absl::Milliseconds(500));
  EXPECT_EQ(DelayAfter(4, 0), absl::Seconds(8));
  EXPECT_EQ(DelayAfter(10, 0), kLongestDelay);
  EXPECT_EQ(DelayAfter(1'000'000, 0), kLongestDelay);
  EXPECT_EQ(DelayAfter(1, 0, absl::Seconds(30)), absl::Seconds(30));
  EXPECT_EQ(DelayAfter(1, 0, absl::Hours(5)), kLongestDelay);
}

TEST(WebhookDelivery, KnowsKindsByTheirBeginning) {
  const std::vector<std::string> patterns = {"run_finished", "gate_*"};
  EXPECT_TRUE(IsWanted(patterns, "run_finished"));
  EXPECT_TRUE(IsWanted(patterns, "gate_waiting"));
  EXPECT_FALSE(IsWanted(patterns, "run_finished_late"));
  EXPECT_FALSE(IsWanted(patterns, "step_started"));
  EXPECT_TRUE(IsWanted({"*"}, "step_started"));
  EXPECT_FALSE(IsWanted({}, "step_started"));
}

RunEvent Blocked() {
  RunEvent event;
  event.run_id = "7f3c";
  event.offset = 4;
  event.at = absl::FromUnixMicros(1'735'689'600'250'000);
  event.kind = "step_blocked";
  event.revision = "aaaa";
  event.step = 2;
  event.step_name = "index";
  event.message = "waits for a lock held by pid 7 (ann, psql, active): SELECT 'secret'";
  event.details = R"({"holders":[{"pid":7,"kind":"ordinary","query":"SELECT 'secret'"}]})";
  return event;
}
const RunFacts kRun = {.kind = "upgrade", .target = "head", .actor = "ann@host"};

TEST(WebhookMessage, SaysWhatHappened) {
  const auto body = nlohmann::json::parse(BodyOf(Blocked(), kRun, true));

  EXPECT_EQ(body["id"], "7f3c/4");
  EXPECT_EQ(body["kind"], "step_blocked");
  EXPECT_EQ(body["time"], "2025-01-01T00:00:00.250000Z");
  EXPECT_EQ(body["run"]["id"], "7f3c");
  EXPECT_EQ(body["run"]["target"], "head");
  EXPECT_EQ(body["step"], 2);
  EXPECT_EQ(body["message"], Blocked().message);
  EXPECT_EQ(body["details"]["holders"][0]["query"], "SELECT 'secret'");
}

TEST(WebhookMessage, LeavesOutStatementsOfOthers) {
  const std::string text = BodyOf(Blocked(), kRun, false);

  EXPECT_THAT(text, Not(HasSubstr("secret")));
  EXPECT_THAT(text, HasSubstr("held by pid 7 (ann, psql, active)"));
  EXPECT_EQ(nlohmann::json::parse(text)["details"]["holders"][0]["pid"], 7);
}

TEST(WebhookMessage, LeavesOutDetailsThatAreTooLong) {
  RunEvent event = Blocked();
  event.details = nlohmann::json{{"rows", std::string(kMostDetailBytes, 'x')}}.dump();

  const auto body = nlohmann::json::parse(BodyOf(event, kRun, false));

  EXPECT_EQ(body["details"]["left_out_bytes"], event.details.size());
}

TEST(WebhookSettings, WantsAnHttpAddressAndAKey) {
  WebhookOptions options;
  EXPECT_THAT(Check(options), IsOk());  // no webhook

  options.url = "https://example.com/hook?x=1";
  EXPECT_THAT(Check(options),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("CONFIG_INVALID")));
  options.signing_key = "0123456789abcdef";
  EXPECT_THAT(Check(options), IsOk());

  for (const char* url : {"ftp://example.com/", "file:///etc/passwd", "example.com/hook",
                          "https://ann:pw@example.com/", "https://"}) {
    options.url = url;
    EXPECT_THAT(Check(options),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("CONFIG_INVALID")))
        << url;
  }
  options.url = "http://127.0.0.1:8080/";
  options.events = {"run_*", "Run Finished"};
  EXPECT_THAT(MessageOf(Check(options)), HasSubstr("Run Finished"));
}

}  // namespace
}  // namespace lockstep::migration::webhook
