// Freeze windows: what they hold, what they let pass, and what ends them.
#include "services/migration/engine/run/freeze.h"

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FreezeTest : public EngineTest {
 protected:
  FreezeTest() { folder_.AddRevision("catalog", "aaaa"); }

  absl::StatusOr<Freeze> Open(const std::string& reason = "holiday sales",
                              absl::Duration lasts = absl::Hours(2)) {
    return NewEngine()->CreateFreeze(context_, {.reason = reason, .lasts = lasts});
  }
  // As if every freeze had begun and ended a day earlier.
  void LetTimePass() const {
    db_.Execute(
        "UPDATE migration.freezes SET created_at = created_at - interval '1 day',"
        " ends_at = ends_at - interval '1 day'");
  }
  std::string Runs() const { return db_.QueryText("SELECT count(*) FROM migration.runs"); }
};

auto IsFrozen() { return StatusIs(absl::StatusCode::kFailedPrecondition, Reason("FROZEN")); }

TEST_F(FreezeTest, RefusesARunAndSaysWhatToDo) {
  ASSERT_OK_AND_ASSIGN(const Freeze freeze, Open());
  EXPECT_TRUE(freeze.is_open);
  EXPECT_EQ(freeze.ends_at - freeze.created_at, absl::Hours(2));

  const auto refused = Upgrade();

  EXPECT_THAT(refused, IsFrozen());
  EXPECT_EQ(ExitClassOf(refused.status()), ExitClass::kBlocked);
  EXPECT_THAT(MessageOf(refused.status()),
              AllOf(HasSubstr("UTC by tester: holiday sales"),
                    HasSubstr("lockstep freeze --lift " + freeze.id), HasSubstr("--force-freeze")));
  EXPECT_EQ(AppliedText(), "");
  EXPECT_EQ(Runs(), "0");
}

TEST_F(FreezeTest, HoldsEverythingThatChangesTheDatabase) {
  WriteRevision("bbbb", "down_revision: \"aaaa\"\n",
                {{"up.sql", "CREATE TABLE core.x (id int PRIMARY KEY);"},
                 {"down.sql", "DROP TABLE core.x;"},
                 {"verify.sql", "SELECT id FROM core.x WHERE id < 0;"},
                 {"guard.sql", "SELECT 'rows' AS what, count(*) AS count FROM core.x;"}});
  ASSERT_OK(Upgrade());
  db_.Execute("INSERT INTO core.x VALUES (1)");
  ASSERT_OK_AND_ASSIGN(const RunReport down, Downgrade("aaaa", {.archive = true}));
  ASSERT_THAT(down.archives, SizeIs(1));
  ASSERT_OK(Upgrade());
  const std::string runs = Runs();
  ASSERT_OK(Open());

  EXPECT_THAT(Downgrade("base"), IsFrozen());
  EXPECT_THAT(NewEngine()->Stamp(context_, "aaaa", {}, sink_), IsFrozen());
  EXPECT_THAT(NewEngine()->RestoreArchive(context_, down.archives[0].id, {}, sink_), IsFrozen());
  EXPECT_THAT(NewEngine()->PurgeArchives(context_), IsFrozen());
  EXPECT_EQ(Runs(), runs);
  EXPECT_EQ(AppliedText(), "aaaa:1! bbbb:1!");
}

TEST_F(FreezeTest, LetsPassWhatChangesNothing) {
  ASSERT_OK(Upgrade());
  ASSERT_OK(Open());

  EXPECT_OK(NewEngine()->PlanFor(context_, Direction::kDown, "base"));
  EXPECT_OK(NewEngine()->Verify(context_, sink_));
  AmendOptions amend;
  amend.revision = "aaaa";
  amend.down_sql = "ALTER TABLE core.t_aaaa RENAME TO t_kept;";
  amend.reason = "keep it";
  EXPECT_OK(NewEngine()->Amend(context_, amend));
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
}

TEST_F(FreezeTest, EndsByItself) {
  ASSERT_OK(Open());
  LetTimePass();

  EXPECT_OK(Upgrade());
  EXPECT_EQ(AppliedText(), "aaaa:1!");
}

TEST_F(FreezeTest, IsLiftedOnceAndKept) {
  ASSERT_OK_AND_ASSIGN(const Freeze freeze, Open());
  ASSERT_OK_AND_ASSIGN(const Freeze other, Open("audit"));
  ASSERT_OK_AND_ASSIGN(const Freeze lifted, NewEngine()->LiftFreeze(context_, freeze.id));
  EXPECT_FALSE(lifted.is_open);
  EXPECT_EQ(lifted.lifted_by, "tester");
  EXPECT_THAT(Upgrade(), IsFrozen());

  ASSERT_OK(NewEngine()->LiftFreeze(context_, other.id));
  EXPECT_OK(Upgrade());

  EngineOptions options = Options();
  options.actor = "somebody else";
  ASSERT_OK_AND_ASSIGN(const Freeze again, NewEngine(options)->LiftFreeze(context_, freeze.id));
  EXPECT_EQ(again.lifted_by, "tester");
  EXPECT_EQ(again.lifted_at, lifted.lifted_at);
  ASSERT_OK_AND_ASSIGN(const auto all, NewEngine()->ListFreezes(context_, 10));
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].id, other.id);
  ASSERT_OK_AND_ASSIGN(const auto older, NewEngine()->ListFreezes(context_, 10, other.id));
  ASSERT_THAT(older, SizeIs(1));
  EXPECT_EQ(older[0].id, freeze.id);
  EXPECT_THAT(NewEngine()->LiftFreeze(context_, NewUuid()),
              StatusIs(absl::StatusCode::kNotFound, Reason("FREEZE_NOT_FOUND")));
}

TEST_F(FreezeTest, OneThatIsOverCannotBeLifted) {
  ASSERT_OK_AND_ASSIGN(const Freeze freeze, Open());
  LetTimePass();

  ASSERT_OK_AND_ASSIGN(const Freeze after, NewEngine()->LiftFreeze(context_, freeze.id));

  EXPECT_FALSE(after.is_open);
  EXPECT_FALSE(after.lifted_at.has_value());
}

TEST_F(FreezeTest, IsPassedWithAReasonThatTheLogKeeps) {
  ASSERT_OK(Open());

  ASSERT_OK_AND_ASSIGN(const RunReport up, Upgrade("head", {.force_freeze = "hotfix 17"}));

  EXPECT_EQ(AppliedText(), "aaaa:1!");
  EXPECT_THAT(sink_.Messages("freeze_forced"),
              ElementsAre(AllOf(HasSubstr("holiday sales"), HasSubstr("by tester: hotfix 17"))));
  EXPECT_EQ(db_.QueryText("SELECT details ->> 'reason' FROM migration.run_events WHERE run_id = '" +
                          up.run_id + "' AND kind = 'freeze_forced'"),
            "hotfix 17");
  EXPECT_EQ(db_.QueryText("SELECT details ->> 'force_freeze' FROM migration.run_events"
                          " WHERE run_id = '" +
                          up.run_id + "' AND kind = 'run_started'"),
            "hotfix 17");
  EXPECT_OK(Downgrade("base", {.force_freeze = "hotfix 17"}));
}

TEST_F(FreezeTest, StatusShowsTheOpenOnesTheLastToEndFirst) {
  ASSERT_OK(Open("an hour", absl::Hours(1)));
  ASSERT_OK(Open("a week", absl::Hours(24 * 7)));
  ASSERT_OK_AND_ASSIGN(const Freeze gone, Open("lifted"));
  ASSERT_OK(NewEngine()->LiftFreeze(context_, gone.id));

  ASSERT_OK_AND_ASSIGN(const EngineStatus status, NewEngine()->Status(context_));

  ASSERT_THAT(status.open_freezes, SizeIs(2));
  EXPECT_EQ(status.open_freezes[0].reason, "a week");
  const auto refused = Upgrade();
  EXPECT_THAT(MessageOf(refused.status()), AllOf(HasSubstr("a week"), HasSubstr("1 more")));
}

TEST_F(FreezeTest, RefusesWhatIsNoWindow) {
  const auto engine = NewEngine();
  const auto refusal = [&](const FreezeOptions& options) {
    return engine->CreateFreeze(context_, options).status();
  };
  const auto is = [](const char* reason, const char* field) {
    return StatusIs(absl::StatusCode::kInvalidArgument, AllOf(Reason(reason), HasField(field)));
  };
  const absl::Time now = absl::Now();

  EXPECT_THAT(refusal({.lasts = absl::Hours(1)}), is("REASON_REQUIRED", "freeze.reason"));
  EXPECT_THAT(refusal({.reason = std::string(1001, 'x'), .lasts = absl::Hours(1)}),
              is("REASON_TOO_LONG", "freeze.reason"));
  EXPECT_THAT(refusal({.reason = "x"}), is("FREEZE_END_REQUIRED", "freeze.end_time"));
  EXPECT_THAT(refusal({.reason = "x", .ends_at = now + absl::Hours(1), .lasts = absl::Hours(1)}),
              is("FREEZE_END_REQUIRED", "freeze.end_time"));
  EXPECT_THAT(refusal({.reason = "x", .ends_at = now - absl::Hours(1)}),
              is("FREEZE_END_OUT_OF_RANGE", "freeze.end_time"));
  EXPECT_THAT(refusal({.reason = "x", .ends_at = now + absl::Hours(24 * 400)}),
              is("FREEZE_END_OUT_OF_RANGE", "freeze.end_time"));
  EXPECT_THAT(refusal({.reason = "x", .lasts = -absl::Hours(1)}),
              is("FREEZE_END_OUT_OF_RANGE", "ttl"));
  EXPECT_THAT(refusal({.reason = "x", .lasts = absl::InfiniteDuration()}),
              is("FREEZE_END_OUT_OF_RANGE", "ttl"));
  ASSERT_OK_AND_ASSIGN(const auto all, engine->ListFreezes(context_, 10));
  EXPECT_THAT(all, IsEmpty());
}

TEST_F(FreezeTest, TheSameRequestOpensOneWindow) {
  const auto engine = NewEngine();
  const std::string id = NewUuid();
  for (const FreezeOptions& options :
       {FreezeOptions{.id = id, .reason = "x", .lasts = absl::Hours(1)},
        FreezeOptions{.id = NewUuid(), .reason = "x", .ends_at = absl::Now() + absl::Hours(1)}}) {
    ASSERT_OK_AND_ASSIGN(const Freeze first, engine->CreateFreeze(context_, options));
    ASSERT_OK_AND_ASSIGN(const Freeze second, engine->CreateFreeze(context_, options));
    EXPECT_EQ(second.id, first.id);
    EXPECT_EQ(second.ends_at, first.ends_at);
  }
  EXPECT_THAT(engine->CreateFreeze(context_, {.id = id, .reason = "y", .lasts = absl::Hours(1)}),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_ID_REUSED")));
  EXPECT_THAT(engine->CreateFreeze(context_, {.id = id, .reason = "x", .lasts = absl::Hours(2)}),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("REQUEST_ID_REUSED")));
  EXPECT_EQ(db_.QueryText("SELECT count(*) FROM migration.freezes"), "2");
}

}  // namespace
}  // namespace lockstep::migration
