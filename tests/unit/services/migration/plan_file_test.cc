#include "services/migration/cli/plan_file.h"

#include <unistd.h>

#include <filesystem>
#include <string>

#include "common/json/json.h"
#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::cli {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::HasSubstr;

PlanFile MadeFile() {
  PlanFile file;
  file.plan = {.target = "v2",
               .direction = migration::Direction::kDown,
               .from_heads = {"catalog@c002", "orders@o002"},
               .to_heads = {"catalog@c002", "orders@o001"},
               .steps = {{.service = "orders",
                          .revision = "o002",
                          .revision_checksum = "v1:aa",
                          .ordinal = 2,
                          .name = "größe \"x\"",
                          .kind = "transactional",
                          .checksum = "v1:bb",
                          .direction = migration::Direction::kDown,
                          .undo_sha256 = "cc"}}};
  file.made_at = absl::FromUnixSeconds(1'764'288'000);
  file.made_by = "anna@build";
  return file;
}

// The file with one value of the document changed.
std::string Edited(const std::string& pointer, const nlohmann::json& value) {
  nlohmann::json document = nlohmann::json::parse(RenderPlanFile(MadeFile()));
  document[nlohmann::json::json_pointer(pointer)] = value;
  return document.dump();
}

auto IsRefused(const std::string& why) {
  return StatusIs(absl::StatusCode::kInvalidArgument,
                  ::testing::AllOf(Reason("PLAN_FILE_INVALID"),
                                   ::testing::ResultOf(
                                       [](const absl::Status& status) { return MessageOf(status); },
                                       HasSubstr(why))));
}

TEST(PlanFileTest, ComesBackAsItWas) {
  const std::string text = RenderPlanFile(MadeFile());
  ASSERT_OK_AND_ASSIGN(const PlanFile read, ParsePlanFile(text));

  EXPECT_EQ(read.plan, MadeFile().plan);
  EXPECT_EQ(read.made_at, MadeFile().made_at);
  EXPECT_EQ(read.made_by, "anna@build");
  EXPECT_EQ(RenderPlanFile(read), text);
  EXPECT_THAT(text, HasSubstr("\"made_at\": \"2025-11-28T00:00:00Z\""));
}

TEST(PlanFileTest, IsReadWithAnotherLayout) {
  const auto document = nlohmann::json::parse(RenderPlanFile(MadeFile()));

  ASSERT_OK_AND_ASSIGN(const PlanFile read, ParsePlanFile(document.dump()));

  EXPECT_EQ(read.plan, MadeFile().plan);
}

TEST(PlanFileTest, TheFingerprintIsAboutThePlanAlone) {
  PlanFile later = MadeFile();
  later.made_by = "bert@build";
  EXPECT_EQ(migration::FingerprintOf(later.plan), migration::FingerprintOf(MadeFile().plan));
  later.plan.steps[0].undo_sha256 = "dd";
  EXPECT_NE(migration::FingerprintOf(later.plan), migration::FingerprintOf(MadeFile().plan));
}

TEST(PlanFileTest, RefusesWhatIsNoPlan) {
  EXPECT_THAT(ParsePlanFile(""), IsRefused("not JSON"));
  EXPECT_THAT(ParsePlanFile("[]"), IsRefused("not JSON"));
  EXPECT_THAT(ParsePlanFile("{}"), IsRefused("not a plan"));
  EXPECT_THAT(ParsePlanFile(R"({"format": 7})"), IsRefused("damaged"));
  EXPECT_THAT(ParsePlanFile(Edited("/version", 2)), IsRefused("format version 2"));
  const std::string text = RenderPlanFile(MadeFile());
  EXPECT_THAT(ParsePlanFile(text.substr(0, text.size() / 2)), IsRefused("not JSON"));
}

TEST(PlanFileTest, RefusesWhatWasEdited) {
  EXPECT_THAT(ParsePlanFile(Edited("/plan/target", "head")), IsRefused("fingerprint"));
  EXPECT_THAT(ParsePlanFile(Edited("/plan/steps/0/step", 1)), IsRefused("fingerprint"));
  EXPECT_THAT(ParsePlanFile(Edited("/plan/steps/0/more", 1)), IsRefused("fingerprint"));
  EXPECT_THAT(ParsePlanFile(Edited("/fingerprint", "00")), IsRefused("fingerprint"));
  EXPECT_THAT(ParsePlanFile(Edited("/plan/steps/0/step", "two")), IsRefused("damaged"));
  EXPECT_THAT(ParsePlanFile(Edited("/plan/direction", "left")), IsRefused("direction"));
  EXPECT_THAT(ParsePlanFile(Edited("/made_at", "yesterday")), IsRefused("made_at"));
}

TEST(PlanFileTest, IsWrittenAndRead) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("lockstep-plan-" + std::to_string(getpid())))
          .string();
  ASSERT_OK(WritePlanFile(path, MadeFile()));
  ASSERT_OK_AND_ASSIGN(const PlanFile read, ReadPlanFile(path));
  std::filesystem::remove(path);

  EXPECT_EQ(read.plan, MadeFile().plan);
  EXPECT_THAT(ReadPlanFile(path),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FILE_NOT_READABLE")));
  EXPECT_THAT(WritePlanFile("/nowhere/plan.json", MadeFile()),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("FILE_NOT_WRITABLE")));
}

}  // namespace
}  // namespace lockstep::cli
