// Commits whose answer never came: the ledger says what became of them.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/pg/connection.h"
#include "gmock/gmock.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/journal.h"
#include "services/migration/engine/run/run_session.h"
#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::IsOk;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class OutcomeTest : public EngineTest {
 protected:
  OutcomeTest() {
    pg::ConnectionOptions options;
    options.database_url = db_.url();
    auto opened = pg::Connection::Open(options);
    EXPECT_THAT(opened, IsOk());
    connection_ = *std::move(opened);
  }
  // What the ledger has of the run, in order.
  std::string Stored() const {
    return db_.QueryText(
        "SELECT string_agg(event_offset || ' ' || message, ', ' ORDER BY event_offset)"
        " FROM migration.run_events WHERE run_id = '" +
        journal_.run_id() + "'");
  }
  std::vector<std::string> Seen() const {
    std::vector<std::string> seen;
    for (const RunEvent& event : sink_.events()) {
      seen.push_back(std::to_string(event.offset) + " " + event.message);
    }
    return seen;
  }
  // Ends every backend that commits a row of `table`, in the middle of its COMMIT.
  void DieAtCommit(const std::string& table) const {
    db_.Execute(
        "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $f$;"
        " CREATE CONSTRAINT TRIGGER die AFTER INSERT ON " +
        table + " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.die()");
  }
  void DieNoMore() const { db_.Execute("DROP FUNCTION public.die() CASCADE"); }

  std::unique_ptr<pg::Connection> connection_;
  Journal journal_{NewUuid(), 0, sink_};
};

TEST_F(OutcomeTest, TailThatCommittedIsFoundInTheLedger) {
  journal_.Emit({.kind = "warning", .message = "before"});
  ASSERT_OK(connection_->Script(journal_.RecordSql({{.kind = "warning", .message = "tail"}})));

  ASSERT_OK_AND_ASSIGN(const bool is_there, ResolveTail(journal_, *connection_));

  EXPECT_TRUE(is_there);
  journal_.Emit({.kind = "warning", .message = "after"});
  ASSERT_OK(connection_->Script(journal_.RecordSql()));
  EXPECT_EQ(Stored(), "1 before, 2 tail, 3 after");
  EXPECT_THAT(Seen(), ElementsAre("1 before", "2 tail", "3 after"));
}

TEST_F(OutcomeTest, TailThatDidNotCommitNeverHappened) {
  journal_.Emit({.kind = "warning", .message = "before"});
  EXPECT_NE(journal_.RecordSql({{.kind = "warning", .message = "tail"}}), "");

  ASSERT_OK_AND_ASSIGN(const bool is_there, ResolveTail(journal_, *connection_));

  EXPECT_FALSE(is_there);
  journal_.Emit({.kind = "warning", .message = "after"});
  ASSERT_OK(connection_->Script(journal_.RecordSql()));
  EXPECT_EQ(Stored(), "1 before, 2 after");
}

TEST_F(OutcomeTest, OffsetsOfAnUnknownTailAreGivenToNobodyElse) {
  journal_.Emit({.kind = "warning", .message = "before"});
  ASSERT_OK(connection_->Script(journal_.RecordSql({{.kind = "warning", .message = "tail"}})));

  journal_.OutcomeUnknown();

  journal_.Emit({.kind = "warning", .message = "after"});
  ASSERT_OK(connection_->Script(journal_.RecordSql()));
  EXPECT_EQ(Stored(), "1 before, 2 tail, 3 after");
}

TEST_F(OutcomeTest, LostRecordOfVerificationsIsToldAndDoneByTheNextRun) {
  folder_.AddRevision("catalog", "aaaa");
  folder_.Write("catalog/aaaa_x/verify.sql", "SELECT 1 WHERE false;");
  DieAtCommit("migration.verification_results");

  const auto broken = Upgrade();

  EXPECT_THAT(broken, StatusIs(absl::StatusCode::kUnavailable, Reason("CONNECTION_LOST")));
  EXPECT_THAT(MessageOf(broken.status()),
              HasSubstr("the record of the verifications was rolled back"));
  EXPECT_EQ(AppliedText(), "aaaa:1!");
  DieNoMore();
  ASSERT_OK_AND_ASSIGN(const RunReport next, Upgrade());
  EXPECT_THAT(next.verifications, SizeIs(1));
  EXPECT_THAT(sink_.Messages("predecessor_unverified"), SizeIs(1));
  ASSERT_OK_AND_ASSIGN(const RunReport again, Upgrade());
  EXPECT_TRUE(again.nothing_to_do);
}

TEST_F(OutcomeTest, LostStampIsTold) {
  folder_.AddRevision("catalog", "aaaa");
  DieAtCommit("migration.applied_revisions");

  const auto broken = NewEngine()->Stamp(context_, "head", {}, sink_);

  EXPECT_THAT(broken, StatusIs(absl::StatusCode::kUnavailable, Reason("CONNECTION_LOST")));
  EXPECT_THAT(MessageOf(broken.status()), HasSubstr("the stamp was rolled back"));
  EXPECT_EQ(AppliedText(), "");
  DieNoMore();
  EXPECT_THAT(NewEngine()->Stamp(context_, "head", {}, sink_), IsOk());
}

}  // namespace
}  // namespace lockstep::migration
