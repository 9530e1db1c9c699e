#include "common/log/log.h"

#include <sstream>
#include <string>
#include <thread>
#include <vector>
#include "common/json/json.h"

#include "common/status/error.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::log {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using nlohmann::json;

struct FakeId {
  std::string text() const { return "7f3c"; }
};

// Runs `write` and returns the lines that it wrote, parsed.
template <typename Function>
std::vector<json> Capture(Function write) {
  ::testing::internal::CaptureStderr();
  write();
  std::istringstream stream(::testing::internal::GetCapturedStderr());
  std::vector<json> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

TEST(Log, WritesOneJsonObjectALine) {
  Init("orders", Level::kInfo);

  const auto lines = Capture([] {
    const std::string to = "shipped";
    Info("order_transitioned", {{"order", FakeId{}},
                                {"to", to},
                                {"lines", 3},
                                {"bytes", std::uint64_t{18446744073709551615u}},
                                {"delta", std::int64_t{-5}},
                                {"is_final", false}});
    Warn("second");
  });

  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["level"], "info");
  EXPECT_EQ(lines[0]["service"], "orders");
  EXPECT_EQ(lines[0]["event"], "order_transitioned");
  EXPECT_EQ(lines[0]["order"], "7f3c");
  EXPECT_EQ(lines[0]["to"], "shipped");
  EXPECT_EQ(lines[0]["lines"], 3);
  EXPECT_EQ(lines[0]["bytes"], 18446744073709551615u);
  EXPECT_EQ(lines[0]["delta"], -5);
  EXPECT_EQ(lines[0]["is_final"], false);
  EXPECT_THAT(lines[0]["time"].get<std::string>(),
              ::testing::MatchesRegex("....-..-..T..:..:..\\.......Z"));
  EXPECT_EQ(lines[1]["level"], "warn");
}

TEST(Log, EscapesWhatJsonDoesNotAllow) {
  Init("or\"ders", Level::kInfo);
  const std::string nasty("a\"b\\c\nd\te\x01 {} %v \0z", 19);

  const auto lines = Capture([&] {
    Info("e", {{"text", nasty}, {"broken", "x\xFFy"}, {"euro", "\xE2\x82\xAC"}, {"k\"y", ""}});
  });

  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["text"], nasty);
  EXPECT_EQ(lines[0]["broken"], "x\xEF\xBF\xBDy");
  EXPECT_EQ(lines[0]["euro"], "\xE2\x82\xAC");
  EXPECT_EQ(lines[0]["k\"y"], "");
  EXPECT_EQ(lines[0]["service"], "or\"ders");
}

TEST(Log, ShowsStatuses) {
  const auto lines = Capture([] {
    Error("failed",
          {{"status", lockstep::Error(absl::StatusCode::kNotFound, "X", "gone").ToStatus()}});
  });

  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0]["status"].get<std::string>(), ::testing::StartsWith("NOT_FOUND: gone"));
}

TEST(Log, KeepsQuietBelowTheLevel) {
  Init("orders", Level::kWarn);
  EXPECT_EQ(Capture([] {
              Debug("a");
              Info("b");
              Warn("c");
              Error("d");
            }).size(),
            2u);
  EXPECT_FALSE(IsEnabled(Level::kInfo));

  Init("orders", Level::kOff);
  EXPECT_EQ(Capture([] { Error("d"); }).size(), 0u);
}

TEST(Log, LinesOfThreadsDoNotMix) {
  Init("orders", Level::kInfo);

  const auto lines = Capture([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 200; ++i) Info("e", {{"thread", t}, {"i", i}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });

  EXPECT_EQ(lines.size(), 800u);
}

TEST(Log, ReadsLevels) {
  EXPECT_THAT(ParseLevel("debug"), IsOkAndHolds(Level::kDebug));
  EXPECT_THAT(ParseLevel("off"), IsOkAndHolds(Level::kOff));
  EXPECT_THAT(ParseLevel("INFO"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("LOG_LEVEL_UNKNOWN")));
}

}  // namespace
}  // namespace lockstep::log
