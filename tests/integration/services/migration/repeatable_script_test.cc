// Repeatable definitions in offline scripts: applied on the way up, a reason to stop on the way
// down.
#include <string>

#include "gmock/gmock.h"
#include "tests/integration/services/migration/script_fixture.h"

namespace lockstep::migration {
namespace {

using ::testing::HasSubstr;

class RepeatableScriptTest : public OfflineTest {
 protected:
  RepeatableScriptTest() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "abbb", "down_revision: \"aaaa\"\n");
    folder_.Write("catalog/repeatable/ids.sql",
                  "CREATE OR REPLACE VIEW core.ids AS SELECT id FROM core.t_aaaa;\n"
                  "COMMENT ON VIEW core.ids IS 'all';\n");
  }
};

TEST_F(RepeatableScriptTest, AnUpgradeToTheHeadsAppliesThem) {
  ASSERT_OK_AND_ASSIGN(const std::string half, NewEngine()->UpgradeScript("aaaa", {}));
  EXPECT_EQ(half.find("core.ids"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const std::string script, NewEngine()->UpgradeScript("head", {}));
  ASSERT_EQ(Psql(db_, script), 0) << errors_;
  EXPECT_TRUE(TableExists("core.ids"));
  EXPECT_EQ(db_.QueryText("SELECT service || '/' || name || ' ' || heads::text"
                          " FROM migration.repeatables"),
            "catalog/ids {catalog@abbb}");
  // The engine finds what the script did.
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
  ASSERT_OK_AND_ASSIGN(const VerifyReport verified, NewEngine()->Verify(context_, sink_));
  EXPECT_EQ(verified.failed, 0);
}

TEST_F(RepeatableScriptTest, ADowngradeStopsWhileTheyAreApplied) {
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const std::string script, NewEngine()->DowngradeScript("aaaa", {}));
  EXPECT_NE(Psql(db_, script), 0);
  EXPECT_THAT(errors_, HasSubstr("catalog/ids"));
  EXPECT_EQ(AppliedText(), "aaaa:1! abbb:1!");
}

}  // namespace
}  // namespace lockstep::migration
