#include "services/migration/engine/scaffold.h"

#include <filesystem>
#include <set>
#include <string>

#include "common/status/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/files.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr absl::CivilDay kDay(2025, 10, 2);

TEST(ScaffoldTest, MakesAFolderThatLoadsOnceItIsFilledIn) {
  const MigrationsFolder folder;
  folder.AddRevision("orders", "o001");
  folder.AddRevision("orders", "o002", "down_revision: \"o001\"\n");
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(folder.root()));
  ASSERT_OK_AND_ASSIGN(const NewRevision made,
                       CreateRevision(definitions, "orders", "Shipping: \"full\" insurance", kDay));
  EXPECT_THAT(made.id, MatchesRegex("[0-9a-f]{12}"));
  EXPECT_EQ(made.folder, "orders/" + made.id + "_shipping_full_insurance");
  EXPECT_THAT(folder.Problems(),
              ElementsAre(HasSubstr("/up.sql: a step must hold at least one statement"),
                          HasSubstr("/verify.sql: verify.sql must hold at least one query")));
  folder.Write(made.folder + "/up.sql",
               "ALTER TABLE transactions.orders ADD COLUMN insurance_cost numeric(10,2);");
  folder.Write(made.folder + "/verify.sql", "SELECT 1 WHERE false;");
  ASSERT_OK_AND_ASSIGN(const Definitions filled, LoadDefinitions(folder.root()));
  const Revision& revision = filled.revisions.back();
  EXPECT_EQ(revision.id, made.id);
  EXPECT_EQ(revision.title, "Shipping: \"full\" insurance");
  EXPECT_EQ(revision.created, "2025-10-02");
  EXPECT_THAT(revision.down_revision, ElementsAre("o002"));
}

TEST(ScaffoldTest, TheFirstRevisionOfAServiceHasNoParent) {
  const MigrationsFolder folder;
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(folder.root()));
  ASSERT_OK_AND_ASSIGN(const NewRevision made,
                       CreateRevision(definitions, "finance", "Größe €", kDay));
  const std::string spec =
      *ReadWholeFile(folder.root() + "/" + made.folder + "/revision.textproto");
  EXPECT_THAT(spec, Not(HasSubstr("down_revision")));
  EXPECT_THAT(spec, HasSubstr("title: \"Größe €\"\n"));
  // A folder with revisions needs it.
  EXPECT_EQ(ReadWholeFile(folder.root() + "/releases.textproto"), "");
}

TEST(ScaffoldTest, RefusesWhatCannotBeAFolder) {
  const MigrationsFolder folder;
  ASSERT_OK_AND_ASSIGN(const Definitions definitions, LoadDefinitions(folder.root()));
  EXPECT_THAT(CreateRevision(definitions, "shop", "x", kDay),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("SERVICE_UNKNOWN")));
  for (const std::string& title :
       {std::string(), std::string("---"), std::string(101, 'x'), std::string("a\nDROP")}) {
    EXPECT_THAT(CreateRevision(definitions, "orders", title, kDay),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("TITLE_INVALID")))
        << title;
  }
  Definitions gone = definitions;
  gone.root = "/proc/nowhere";
  EXPECT_THAT(CreateRevision(gone, "orders", "x", kDay),
              StatusIs(absl::StatusCode::kInternal, Reason("FOLDER_NOT_WRITTEN")));
}

TEST(ScaffoldTest, IdsDiffer) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.insert(NewRevisionId({}));
  EXPECT_EQ(ids.size(), 100U);
}

TEST(SlugOfTest, KeepsLettersAndDigits) {
  struct Case {
    const char* title;
    const char* slug;
  };
  const Case cases[] = {
      {"orders: shipping insurance", "orders_shipping_insurance"},
      {"  A -- B  ", "a_b"},
      {"Größe", "gr_e"},
      {"", ""},
      {"../../etc", "etc"},
      {"a very long title that goes on and on and on and on",
       "a_very_long_title_that_goes_on_and_on_an"},
  };
  for (const Case& c : cases) EXPECT_EQ(SlugOf(c.title), c.slug) << c.title;
}

}  // namespace
}  // namespace lockstep::migration
