// What a backup's table of contents tells before anything is touched, and names of restore points.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/run/backup/backup.h"
#include "services/migration/engine/run/backup/pg_program.h"
#include "services/migration/engine/run/backup/restore.h"
#include "services/migration/engine/run/restore_point.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kList[] =
    ";     Format: CUSTOM\n"
    "6; 2615 16397 SCHEMA - analytics finance_owner\n"
    "4; 2615 2200 SCHEMA - public pg_database_owner\n"
    "3615; 0 0 ACL - SCHEMA core catalog_owner\n"
    "3617; 0 0 ACL pg_catalog FUNCTION pg_create_restore_point(text) lockstep_admin\n"
    "221; 1259 16402 TABLE migration ledger_version lockstep_migrator\n";

TEST(RestoreListTest, LeavesOutWhatIsTheServersOwn) {
  const std::string kept = WithoutServersOwn(kList);
  EXPECT_THAT(kept, Not(HasSubstr("pg_catalog")));
  EXPECT_THAT(kept, HasSubstr("3615; 0 0 ACL - SCHEMA core catalog_owner\n"));
}

TEST(RestoreListTest, FindsSchemasAndTheLedger) {
  EXPECT_THAT(SchemasIn(kList), ElementsAre("analytics"));
  EXPECT_TRUE(IsOurs(kList));
  EXPECT_FALSE(IsOurs("221; 1259 16402 TABLE public ledger_version somebody\n"));
}

TEST(PgProgramTest, ReadsTheMajorVersion) {
  EXPECT_EQ(MajorVersionIn("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), 15);
  EXPECT_EQ(MajorVersionIn("psql (PostgreSQL) 17beta1"), 17);
  EXPECT_EQ(MajorVersionIn("pg_dump: command not found"), 0);
}

TEST(BackupNameTest, SaysDatabaseAndTime) {
  EXPECT_EQ(DefaultBackupName("shop", absl::FromUnixSeconds(1'759'303'800)),
            "lockstep-shop-20251001T073000Z.dump");
}

TEST(RestorePointNameTest, FitsTheServersLimit) {
  const std::string run = "1a2b3c4d-0000-4000-8000-000000000000";
  EXPECT_EQ(RestorePointName("84bc4d8b03ef", 2, run), "lockstep 84bc4d8b03ef 2 1a2b3c4d");
  const std::string cut = RestorePointName(std::string(100, 'r'), 12, run);
  EXPECT_EQ(cut.size(), 63U);
  EXPECT_THAT(cut, HasSubstr("rrr 12 1a2b3c4d"));
}

}  // namespace
}  // namespace lockstep::migration
