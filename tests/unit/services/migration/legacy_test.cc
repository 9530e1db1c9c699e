// What a revision of PHASE_LEGACY may do that others may not, and what it may not either.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/checksum.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Legacy : public ::testing::Test {
 protected:
  // The problems of one revision of orders in that phase.
  std::vector<std::string> Problems(const std::string& phase, const std::string& more,
                                    const std::string& up, const std::string& down = "") {
    folder_.Write(
        "orders/aaaa_x/revision.textproto",
        "id: \"aaaa\"\ntitle: \"x\"\nservice: \"orders\"\ncreated: \"2025-01-01\"\nphase: " +
            phase + "\n" + more);
    folder_.Write("orders/aaaa_x/up.sql", up);
    folder_.Write("orders/aaaa_x/down.sql", down);
    return folder_.Problems();
  }

  MigrationsFolder folder_;
};

TEST_F(Legacy, NeedsNoSchemasAndNoVerification) {
  EXPECT_THAT(
      Problems("PHASE_LEGACY", "",
               "CREATE TABLE t (i int);\nSET LOCAL search_path = app;\nSELECT * FROM app.u;\n"
               "CREATE TABLE public.p (i int);",
               "DELETE FROM app.u;"),
      IsEmpty());
  const Revision revision = folder_.Inspect().definitions.revisions[0];
  EXPECT_THAT(revision.search_path, ElementsAre("$user", "public"));
  EXPECT_TRUE(revision.verify.empty());
}

TEST_F(Legacy, OthersDo) {
  EXPECT_THAT(Problems("PHASE_EXPAND", "search_path: \"app\"\n", "CREATE TABLE t (i int);"),
              ElementsAre(HasSubstr("SEARCH_PATH_INVALID"), HasSubstr("SQL_UNQUALIFIED_NAME"),
                          HasSubstr("verify.sql is missing")));
}

TEST_F(Legacy, KeepsOutOfWhatIsNotItsOwn) {
  EXPECT_THAT(
      Problems("PHASE_LEGACY", "",
               "CREATE TABLE core.t (i int);\nDROP TABLE migration.runs;\nCOMMIT;\n"
               "SET search_path = app;\nSET LOCAL role = x;\nCREATE EXTENSION citext;"),
      ElementsAre(HasSubstr("up.sql:1:14: core.t belongs to catalog"),
                  HasSubstr("up.sql:2:1: schema migration is the engine's own"),
                  HasSubstr("up.sql:3:1: TRANSACTION"), HasSubstr("up.sql:4:1: search_path"),
                  HasSubstr("up.sql:5:1: role"), HasSubstr("up.sql:6:1: CREATE EXTENSION")));
}

TEST_F(Legacy, ReadsRowsOfCopyFromAFile) {
  const std::string steps =
      "steps { name: \"rows\" up_file: \"up.sql\" down_file: \"down.sql\" copy_file: \"rows.copy\" "
      "}\n";
  folder_.Write("orders/aaaa_x/rows.copy", "1\n2\n");
  EXPECT_THAT(Problems("PHASE_LEGACY", steps, "COPY t FROM stdin;"), IsEmpty());
  const Step step = folder_.Inspect().definitions.revisions[0].steps[0];
  EXPECT_EQ(step.copy_data, "1\n2\n");
  Step other = step;
  other.copy_data = "1\n3\n";
  EXPECT_NE(StepChecksum(other), step.checksum);
  EXPECT_THAT(Problems("PHASE_LEGACY", steps, "SELECT 1;"),
              ElementsAre(HasSubstr("up.sql must be one COPY ... FROM STDIN")));
  EXPECT_THAT(Problems("PHASE_LEGACY", "", "COPY t FROM stdin;"),
              ElementsAre(HasSubstr("SQL_COPY_STREAM")));
}

TEST_F(Legacy, MayBeIrreversibleWithoutAGuardAndEmptyOnTheWayUp) {
  EXPECT_THAT(Problems("PHASE_LEGACY", "irreversible_reason: \"so\"\n", "-- nothing\n"), IsEmpty());
  EXPECT_THAT(Problems("PHASE_EXPAND", "irreversible_reason: \"so\"\n", "-- nothing\n"),
              ElementsAre(HasSubstr("guard"), HasSubstr("SCRIPT_EMPTY"), HasSubstr("verify.sql")));
}

}  // namespace
}  // namespace lockstep::migration
