#include "services/migration/engine/target.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/made_definitions.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TargetTest : public ::testing::Test {
 protected:
  RevisionSet Set(const std::vector<std::string>& ids) const {
    RevisionSet set;
    for (const std::string& id : ids) set.push_back(*graph_.Find(id));
    std::sort(set.begin(), set.end());
    return set;
  }
  std::string Ids(const RevisionSet& set) const {
    std::string ids;
    for (const std::size_t position : set) ids += (ids.empty() ? "" : " ") + graph_.at(position).id;
    return ids;
  }

  const Definitions definitions_ = MadeSuite();
  const Graph graph_{definitions_};
};

TEST_F(TargetTest, ResolvesEveryForm) {
  struct Case {
    const char* text;
    std::vector<std::string> applied;
    const char* name;
    const char* service;
    const char* members;
  };
  const Case cases[] = {
      {"head", {}, "head", "", "c001 o001 c002 f001 o002 o003 c003"},
      {"base", {}, "base", "", ""},
      {"v2", {}, "v2", "", "c001 o001 c002 f001 o002"},
      {"o002", {}, "o002", "orders", "c001 o001 c002 o002"},
      {"multi_platform", {}, "o002", "orders", "c001 o001 c002 o002"},
      {"multi", {}, "o002", "orders", "c001 o001 c002 o002"},
      {"f", {}, "f001", "finance", "c001 o001 f001"},
      {"orders@head", {}, "orders@head", "orders", "c001 o001 c002 f001 o002 o003"},
      {"orders@base", {}, "orders@base", "orders", ""},
      {"orders@o002", {}, "o002", "orders", "c001 o001 c002 o002"},
      {"orders@multi", {}, "o002", "orders", "c001 o001 c002 o002"},
      {"orders@+1", {}, "orders@o001", "orders", "c001 o001"},
      {"orders@+2", {"c001", "o001"}, "orders@o003", "orders", "c001 o001 c002 f001 o002 o003"},
      {"orders@-1", {"c001", "o001", "c002", "o002"}, "orders@o001", "orders", "c001 o001"},
      {"orders@-2", {"c001", "o001", "c002", "o002"}, "orders@base", "orders", ""},
      {"+1", {}, "v1", "", "c001 o001"},
      {"+1", {"c001", "o001"}, "v2", "", "c001 o001 c002 f001 o002"},
      {"+2", {"c001", "o001"}, "v3", "", "c001 o001 c002 f001 o002 o003"},
      // Something of v2 is there already: one step on completes it, one step back leaves v1.
      {"+1", {"c001", "o001", "c002"}, "v2", "", "c001 o001 c002 f001 o002"},
      {"-1", {"c001", "o001", "c002"}, "v1", "", "c001 o001"},
      {"-2", {"c001", "o001", "c002"}, "base", "", ""},
      {"-1", {"c001", "o001"}, "base", "", ""},
      {"-1", {"c001", "o001", "c002", "f001", "o002"}, "v1", "", "c001 o001"},
      // Unreleased revisions lie between the newest release and head.
      {"-1",
       {"c001", "o001", "c002", "f001", "o002", "o003", "c003"},
       "v3",
       "",
       "c001 o001 c002 f001 o002 o003"},
      {"+1",
       {"c001", "o001", "c002", "f001", "o002", "o003"},
       "head",
       "",
       "c001 o001 c002 f001 o002 o003 c003"},
  };
  for (const Case& c : cases) {
    ASSERT_OK_AND_ASSIGN(const Target target, ResolveTarget(graph_, c.text, Set(c.applied)));
    EXPECT_EQ(target.text, c.text);
    EXPECT_EQ(target.name, c.name) << c.text;
    EXPECT_EQ(target.service, c.service) << c.text;
    EXPECT_EQ(Ids(target.members), c.members) << c.text;
  }
}

TEST_F(TargetTest, ExplainsWhatItDoesNotUnderstand) {
  struct Case {
    const char* text;
    absl::StatusCode code;
    const char* reason;
    const char* message;
  };
  const Case cases[] = {
      {"", absl::StatusCode::kInvalidArgument, "TARGET_INVALID", "the target is empty"},
      {"v9", absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
       "did you mean v1, v2, v3?; known releases: v1, v2, v3"},
      {"o009", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "did you mean o001, o002, o003?"},
      {"mutli_platform", absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
       "did you mean multi_platform?"},
      {"haed", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "known releases"},
      {"orders", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "for the service say orders@head"},
      {"o00", absl::StatusCode::kInvalidArgument, "TARGET_AMBIGUOUS",
       "the beginning of 3 revisions: orders@o001, orders@o002, orders@o003"},
      {"shop@head", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "there is no service shop"},
      {"orders@c001", absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
       "c001 is a revision of catalog, not of orders"},
      {"orders@v1", absl::StatusCode::kNotFound, "TARGET_UNKNOWN",
       "there is no release or revision v1"},
      {"orders@", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "there is no"},
      {"-1", absl::StatusCode::kOutOfRange, "TARGET_OUT_OF_RANGE",
       "-1 leads beyond base; the current point is base"},
      {"+5", absl::StatusCode::kOutOfRange, "TARGET_OUT_OF_RANGE", "+5 leads beyond head"},
      {"orders@-1", absl::StatusCode::kOutOfRange, "TARGET_OUT_OF_RANGE",
       "only 0 applied revisions; say orders@base"},
      {"orders@+4", absl::StatusCode::kOutOfRange, "TARGET_OUT_OF_RANGE",
       "only 3 pending revisions; say orders@head"},
      {"+0", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "there is no"},
      {"+x", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "there is no"},
      {"+99999999999", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "there is no"},
      {"V1; DROP", absl::StatusCode::kNotFound, "TARGET_UNKNOWN", "there is no"},
  };
  for (const Case& c : cases) {
    const auto target = ResolveTarget(graph_, c.text, {});
    EXPECT_THAT(target, StatusIs(c.code, Reason(c.reason))) << c.text;
    EXPECT_THAT(MessageOf(target.status()), HasSubstr(c.message)) << c.text;
  }
}

TEST_F(TargetTest, WithoutReleasesOnlyServicesCanBeSteppedOver) {
  Definitions definitions = MadeSuite();
  definitions.releases.clear();
  const Graph graph(definitions);
  EXPECT_THAT(ResolveTarget(graph, "-1", {}),
              StatusIs(absl::StatusCode::kOutOfRange, Reason("TARGET_OUT_OF_RANGE")));
  EXPECT_OK(ResolveTarget(graph, "orders@+1", {}));
}

TEST_F(TargetTest, ResolvesSingleRevisions) {
  ASSERT_OK_AND_ASSIGN(const std::size_t found, ResolveRevision(graph_, "multi"));
  EXPECT_EQ(graph_.at(found).id, "o002");
  EXPECT_THAT(ResolveRevision(graph_, "c"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("TARGET_AMBIGUOUS")));
}

TEST(NearestNamesTest, FindsSlipsOnly) {
  EXPECT_THAT(NearestNames("v2.2.9", {"v2.2.2", "v2.2.1", "v1.0.0", "84bc4d8b03ef"}),
              ElementsAre("v2.2.1", "v2.2.2"));
  EXPECT_THAT(NearestNames("84bc4d8b03fe", {"84bc4d8b03ef", "1fc1f0c9b64d"}),
              ElementsAre("84bc4d8b03ef"));
  EXPECT_THAT(NearestNames("abc", {"xyz"}), IsEmpty());
  EXPECT_THAT(NearestNames("a1", {"a2", "a3", "a4", "a5"}, 2), ElementsAre("a2", "a3"));
}

}  // namespace
}  // namespace lockstep::migration
