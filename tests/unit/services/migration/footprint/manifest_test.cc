#include "services/migration/footprint/manifest.h"

#include <map>
#include <string>
#include <vector>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/services/migration/footprint/suite.h"

namespace lockstep::migration::footprint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ManifestTest : public ::testing::Test {
 protected:
  ManifestTest() {
    AddSuite(folder_);
    LoadResult loaded = folder_.Inspect();
    EXPECT_THAT(loaded.problems, IsEmpty());
    definitions_ = std::move(loaded.definitions);
  }

  GeneratedManifest Make(const std::string& sql,
                         const std::map<std::string, std::string>& minimums = {}) {
    problems_.clear();
    const Catalog catalog = BuildCatalog(definitions_);
    const Footprint footprint =
        ReadFootprint(definitions_, catalog, {{"a.cc", "\"" + sql + "\""}}, problems_);
    EXPECT_THAT(problems_, IsEmpty());
    const Graph graph(definitions_);
    return MakeManifest(graph, catalog, footprint, "orders", minimums, problems_);
  }

  const MigrationsFolder folder_;
  Definitions definitions_;
  std::vector<Problem> problems_;
};

TEST_F(ManifestTest, RequiresTheNewestOfWhatIsUsed) {
  const GeneratedManifest old = Make("SELECT status FROM transactions.orders");
  EXPECT_THAT(old.manifest.uses, ElementsAre(SchemaUse{"orders", "dddd01", "dddd03"}));
  EXPECT_EQ(old.required_revision, "dddd01");

  const GeneratedManifest both =
      Make("SELECT o.notes FROM transactions.orders o JOIN core.platforms p ON p.active");
  EXPECT_THAT(both.manifest.uses, ElementsAre(SchemaUse{"catalog", "cccc02", "cccc02"},
                                              SchemaUse{"orders", "dddd02", "dddd03"}));
}

TEST_F(ManifestTest, NamesItsOwnServiceInAnyCase) {
  EXPECT_THAT(
      Make("SELECT slug FROM core.platforms").manifest.uses,
      ElementsAre(SchemaUse{"catalog", "cccc01", "cccc02"}, SchemaUse{"orders", "", "dddd03"}));
}

TEST_F(ManifestTest, AMinimumRaisesWhatIsRequired) {
  EXPECT_THAT(Make("SELECT status FROM transactions.orders", {{"orders", "dddd03"}}).manifest.uses,
              ElementsAre(SchemaUse{"orders", "dddd03", "dddd03"}));
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(ManifestTest, RefusesMinimumsThatSayNothing) {
  Make("SELECT notes FROM transactions.orders", {{"orders", "dddd01"}, {"catalog", "cccc01"}});
  ASSERT_EQ(problems_.size(), 2U);
  EXPECT_EQ(problems_[0].code, "MINIMUM_NOT_NEEDED");
  EXPECT_EQ(problems_[1].code, "MINIMUM_NOT_NEEDED");

  Make("SELECT notes FROM transactions.orders", {{"orders", "cccc01"}});
  ASSERT_EQ(problems_.size(), 1U);
  EXPECT_EQ(problems_[0].code, "MINIMUM_UNKNOWN");
}

TEST_F(ManifestTest, RendersSourceThatDefinesIt) {
  const std::string text = RenderSource(Make("SELECT status FROM transactions.orders"));

  EXPECT_THAT(text, HasSubstr("#include \"services/orders/manifest.h\""));
  EXPECT_THAT(text, HasSubstr("{\"orders\", \"dddd01\", \"dddd03\"},"));
  EXPECT_THAT(text, HasSubstr("\"transactions.orders.status\","));
  EXPECT_EQ(text, RenderSource(Make("SELECT status FROM transactions.orders")));
}

}  // namespace
}  // namespace lockstep::migration::footprint
