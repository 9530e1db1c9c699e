// Repeatable definitions: applied when they change, in order, and out of the way of a downgrade.
#include <algorithm>
#include <string>

#include "common/status/error.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/repeatable_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

MATCHER_P(Says, words, std::string("says ") + words) {
  return MessageOf(arg).find(words) != std::string::npos;
}

TEST_F(RepeatableTest, AppliedOnceAfterTheRevisionsInOrder) {
  ASSERT_OK_AND_ASSIGN(const RunReport report, Upgrade());
  EXPECT_EQ(report.steps_run, 4);
  EXPECT_EQ(Log(), "catalog/stock apply, finance/report apply");
  EXPECT_EQ(Columns("finance.report"), "id");
  EXPECT_EQ(db_.QueryText("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = "
                          "'finance.report'::regclass"),
            "finance_owner");
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
  EXPECT_EQ(AppliedText(), "aaaa:1! ffff:1!");
}

TEST_F(RepeatableTest, AppliedAgainWhenTheTextChangesButNotForCommentsOrSpace) {
  ASSERT_OK(Upgrade());
  WriteStock("SELECT  id,\n  n -- both\n FROM core.t");
  ASSERT_OK_AND_ASSIGN(const RunReport same, Upgrade());
  EXPECT_TRUE(same.nothing_to_do);

  WriteStock("SELECT id, n + 1 AS n FROM core.t");
  ASSERT_OK_AND_ASSIGN(const EngineStatus status, NewEngine()->Status(context_));
  EXPECT_THAT(status.pending_repeatables, ElementsAre("catalog/stock"));
  ASSERT_OK_AND_ASSIGN(const RunReport changed, Upgrade());
  EXPECT_FALSE(changed.nothing_to_do);
  EXPECT_EQ(changed.steps_run, 1);
  EXPECT_THAT(db_.QueryText("SELECT pg_get_viewdef('core.stock')"), HasSubstr("+ 1"));
  ASSERT_OK_AND_ASSIGN(const EngineStatus after, NewEngine()->Status(context_));
  EXPECT_THAT(after.pending_repeatables, IsEmpty());
}

TEST_F(RepeatableTest, WaitForTheHeadsOfEveryService) {
  ASSERT_OK(Upgrade("catalog@head"));
  EXPECT_EQ(Log(), "");
  EXPECT_THAT(sink_.Messages("repeatables_wait"), ElementsAre(HasSubstr("2 repeatable")));
  ASSERT_OK_AND_ASSIGN(const PlanReport half,
                       NewEngine()->PlanFor(context_, Direction::kUp, "catalog@head"));
  EXPECT_THAT(half.repeatables, IsEmpty());
  ASSERT_EQ(half.notes.size(), 1U);
  EXPECT_EQ(half.notes[0].kind, "repeatable");
  ASSERT_OK_AND_ASSIGN(const PlanReport whole,
                       NewEngine()->PlanFor(context_, Direction::kUp, "head"));
  ASSERT_EQ(whole.repeatables.size(), 2U);
  EXPECT_EQ(whole.repeatables[0].key(), "catalog/stock");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Log(), "catalog/stock apply, finance/report apply");
}

TEST_F(RepeatableTest, OtherColumnsMakeTheDependentsAgainWithGrantsAndComments) {
  ASSERT_OK(Upgrade());
  // Not in any file: an administrator's grant survives as it would CREATE OR REPLACE.
  db_.Execute("GRANT SELECT ON finance.report TO finance_app");
  WriteStock("SELECT n AS amount, id FROM core.t");
  ASSERT_OK_AND_ASSIGN(const RunReport report, Upgrade());
  EXPECT_EQ(report.steps_run, 1);
  EXPECT_EQ(Columns("core.stock"), "amount,id");
  EXPECT_EQ(Columns("finance.report"), "id");
  EXPECT_EQ(db_.QueryText("SELECT obj_description('core.stock'::regclass, 'pg_class')"),
            "what is there");
  EXPECT_EQ(db_.QueryText("SELECT has_table_privilege('finance_owner', 'core.stock', 'SELECT')"
                          " AND has_table_privilege('finance_app', 'finance.report', 'SELECT')"),
            "t");
  EXPECT_THAT(sink_.Messages("repeatable_made_again"), ElementsAre(HasSubstr("finance/report")));
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
}

TEST_F(RepeatableTest, WhatIsNotRepeatableIsNeverDropped) {
  ASSERT_OK(Upgrade());
  db_.Execute("CREATE VIEW public.mine AS SELECT id FROM core.stock");
  WriteStock("SELECT n, id FROM core.t");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                  AllOf(Reason("REPEATABLE_IN_USE"), Says("public.mine"))));
  EXPECT_EQ(Columns("core.stock"), "id,n");
  db_.Execute("DROP VIEW public.mine");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Columns("core.stock"), "n,id");
}

TEST_F(RepeatableTest, AFunctionWithAnotherResultIsMadeAgain) {
  const auto write = [&](const std::string& type) {
    folder_.Write("catalog/repeatable/one.sql", "CREATE OR REPLACE FUNCTION core.one() RETURNS " +
                                                    type + " LANGUAGE sql AS 'SELECT 1';\n" +
                                                    "REVOKE ALL ON FUNCTION core.one() FROM "
                                                    "PUBLIC;\n");
  };
  write("int");
  ASSERT_OK(Upgrade());
  write("bigint");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(db_.QueryText("SELECT prorettype::regtype::text || ' ' ||"
                          " has_function_privilege('orders_app', oid, 'EXECUTE')"
                          " FROM pg_proc WHERE oid = 'core.one()'::regprocedure"),
            "bigint false");
}

TEST_F(RepeatableTest, AFailureLeavesEverythingAsItWas) {
  ASSERT_OK(Upgrade());
  WriteStock("SELECT id, nothing AS n FROM core.t");
  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(Reason("STEP_FAILED"), Says("catalog/repeatable/stock.sql:1"))));
  EXPECT_EQ(Columns("core.stock"), "id,n");
}

TEST_F(RepeatableTest, AVanishedFileTakesItsObjectsAlong) {
  ASSERT_OK(Upgrade());
  folder_.Remove("catalog/repeatable/stock.sql");
  // The report still reads it.
  ASSERT_OK_AND_ASSIGN(const PlanReport plan,
                       NewEngine()->PlanFor(context_, Direction::kUp, "head"));
  ASSERT_EQ(plan.blockers.size(), 1U);
  EXPECT_THAT(plan.blockers[0].what, HasSubstr("finance.report"));
  EXPECT_THAT(Upgrade(),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("REPEATABLE_IN_USE")));

  WriteReport("SELECT id FROM finance.f");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Columns("core.stock"), "");
  EXPECT_EQ(Columns("finance.report"), "id");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.repeatables"), "1");
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
}

TEST_F(RepeatableTest, VerifyTellsWhatWasChangedBehindItsBack) {
  ASSERT_OK(Upgrade());
  ASSERT_OK_AND_ASSIGN(const VerifyReport right, NewEngine()->Verify(context_, sink_));
  EXPECT_EQ(right.failed, 0);
  db_.Execute("CREATE OR REPLACE VIEW core.stock AS SELECT id, n * 2 AS n FROM core.t");
  ASSERT_OK_AND_ASSIGN(const VerifyReport wrong, NewEngine()->Verify(context_, sink_));
  ASSERT_EQ(wrong.failed, 1);
  const auto& failed =
      *std::ranges::find_if(wrong.results, [](const auto& check) { return !check.passed; });
  EXPECT_EQ(failed.revision, "repeatable:catalog/stock");
  EXPECT_EQ(failed.check_id, "view core.stock");
}

TEST_F(RepeatableTest, WhatIsGoneIsMadeAgain) {
  ASSERT_OK(Upgrade());
  db_.Execute("DROP VIEW finance.report");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Columns("finance.report"), "id");
}

TEST_F(RepeatableTest, ADowngradePutsBackTheBodiesOfItsState) {
  ASSERT_OK(Upgrade());
  AddColumn();
  WriteStock("SELECT id, n, m FROM core.t");
  WriteReport("SELECT id, m FROM core.stock");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Columns("finance.report"), "id,m");

  // The view hangs on the column that goes.
  ASSERT_OK(Downgrade("catalog@aaaa"));
  EXPECT_EQ(AppliedText(), "aaaa:1! ffff:1!");
  EXPECT_EQ(Columns("core.stock"), "id,n");
  EXPECT_EQ(Columns("finance.report"), "id");
  EXPECT_EQ(SetAside(), "0");

  ASSERT_OK(Upgrade());
  EXPECT_EQ(Columns("finance.report"), "id,m");

  ASSERT_OK(Downgrade("base"));
  EXPECT_EQ(AppliedText(), "");
  EXPECT_EQ(Columns("core.stock"), "");
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.repeatables"), "0");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Columns("finance.report"), "id,m");
}

TEST_F(RepeatableTest, ADowngradePutsBackWhatVanishedSince) {
  ASSERT_OK(Upgrade());
  AddColumn();
  folder_.Remove("finance/repeatable/report.sql");
  folder_.Remove("catalog/repeatable/stock.sql");
  ASSERT_OK(Upgrade());
  EXPECT_EQ(Columns("core.stock"), "");
  ASSERT_OK(Downgrade("catalog@aaaa"));
  EXPECT_EQ(Columns("core.stock"), "id,n");
}

TEST_F(RepeatableTest, WhatSomebodyBuiltOnItStaysInADowngrade) {
  ASSERT_OK(Upgrade());
  AddColumn();
  ASSERT_OK(Upgrade());
  db_.Execute("CREATE VIEW public.mine AS SELECT id FROM core.stock");
  ASSERT_OK(Downgrade("catalog@aaaa"));
  EXPECT_THAT(sink_.Messages("warning"), Contains(HasSubstr("public.mine")));
  EXPECT_EQ(Columns("core.stock"), "id,n");
  EXPECT_EQ(SetAside(), "0");
}

TEST_F(RepeatableTest, AReviewedPlanHoldsTheirChecksums) {
  const auto engine = NewEngine();
  ASSERT_OK_AND_ASSIGN(const PlanReport report, engine->PlanFor(context_, Direction::kUp, "head"));
  ReviewedPlan reviewed = Review(engine->graph(), report.plan, report.undos);
  AddRepeatables(report.repeatables, reviewed);
  EXPECT_EQ(reviewed.steps.size(), 4U);
  WriteStock("SELECT id, n + 1 AS n FROM core.t");
  RunOptions run;
  run.reviewed = reviewed;
  EXPECT_THAT(Upgrade("head", run),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(Reason("PLAN_CHANGED"), Says("repeatable:catalog/stock"))));
  EXPECT_EQ(AppliedText(), "");
  WriteStock("SELECT id, n FROM core.t");
  ASSERT_OK(Upgrade("head", run));
  EXPECT_EQ(Columns("finance.report"), "id");
}

TEST_F(RepeatableTest, AFreezeHoldsThemAsWell) {
  ASSERT_OK(Upgrade());
  FreezeOptions freeze;
  freeze.reason = "sale";
  freeze.lasts = absl::Hours(1);
  ASSERT_OK(NewEngine()->CreateFreeze(context_, freeze));
  ASSERT_OK(Upgrade());  // nothing to do
  WriteStock("SELECT id, n + 1 AS n FROM core.t");
  EXPECT_THAT(Upgrade(), StatusIs(absl::StatusCode::kFailedPrecondition, Reason("FROZEN")));
}

}  // namespace
}  // namespace lockstep::migration
