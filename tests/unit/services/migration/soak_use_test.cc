// What makes a soak start again.
#include "services/migration/engine/run/soak_use.h"
#include "common/json/json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::migration {
namespace {

using ::testing::HasSubstr;

nlohmann::json Counted(const char* what = "", const nlohmann::json& value = nullptr) {
  nlohmann::json counted = {{"postmaster_start", "1"},
                            {"timeline", "1"},
                            {"stats_reset", ""},
                            {"uses", "7"},
                            {"standbys", {"r@10.0.0.1/a"}}};
  if (*what != '\0') counted[what] = value;
  return counted;
}

TEST(SoakUseTest, NothingNewDisturbsNothing) {
  EXPECT_EQ(Disturbance(Counted(), Counted(), false), "");
}

TEST(SoakUseTest, CountersThatBeganAnewProveNothing) {
  EXPECT_THAT(Disturbance(Counted(), Counted("postmaster_start", "2"), true),
              HasSubstr("restarted"));
  EXPECT_THAT(Disturbance(Counted(), Counted("timeline", "2"), true), HasSubstr("timeline"));
  EXPECT_THAT(Disturbance(Counted(), Counted("stats_reset", "2"), true), HasSubstr("reset"));
}

TEST(SoakUseTest, UseThatIsNotOursDisturbs) {
  EXPECT_THAT(Disturbance(Counted(), Counted("uses", "8"), false), HasSubstr("used"));
  EXPECT_EQ(Disturbance(Counted(), Counted("uses", "8"), true), "");
}

TEST(SoakUseTest, AStandbyThatComesDisturbsAndOneThatGoesDoesNot) {
  EXPECT_THAT(Disturbance(Counted(), Counted("standbys", {"r@10.0.0.1/a", "r@10.0.0.2/b"}), true),
              HasSubstr("r@10.0.0.2/b"));
  EXPECT_EQ(Disturbance(Counted(), Counted("standbys", nlohmann::json::array()), false), "");
}

TEST(SoakUseTest, AStandbyThatComesBackIsNoOtherOne) {
  nlohmann::json without = Counted("standbys", nlohmann::json::array());
  KeepStandbys(Counted(), without);
  EXPECT_EQ(Disturbance(without, Counted(), false), "");
}

TEST(SoakUseTest, ASnapshotThatKnowsNoStandbysIsNotDisturbedByThem) {
  nlohmann::json old = Counted();
  old.erase("standbys");
  EXPECT_EQ(Disturbance(old, Counted(), false), "");
}

}  // namespace
}  // namespace lockstep::migration
