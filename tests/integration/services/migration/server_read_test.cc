// What MigrationService tells, what it refuses to understand, and that it goes by the folder as it
// is now.
#include "gmock/gmock.h"
#include "services/migration/api/api.h"
#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kNul("a\0b", 3);

class MigrationServerReads : public ServerTest {
 protected:
  MigrationServerReads() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "abbb", "down_revision: \"aaaa\"\n");
    folder_.AddRevision("orders", "cccc", "depends_on: \"aaaa\"\n");
    folder_.Write("releases.textproto",
                  "releases { name: \"v1.0\" date: \"2025-10-01\" title: \"First\""
                  " revisions: \"aaaa\" }\n");
    Start();
  }

  template <typename Request, typename Response>
  void ExpectRefused(grpc::Status (Migration::*method)(grpc::ClientContext*, const Request&,
                                                       Response*),
                     const std::string& field, const std::function<void(Request&)>& spoil) {
    Request request;
    spoil(request);
    EXPECT_THAT(Call(*migration_, method, request),
                StatusIs(absl::StatusCode::kInvalidArgument, HasField(field)))
        << Request::descriptor()->name() << " { " << request.ShortDebugString() << " }";
  }
  absl::StatusOr<v1::GetStatusResponse> Status() {
    return Call(*migration_, &Migration::GetStatus, v1::GetStatusRequest());
  }
  absl::StatusOr<v1::PlanResponse> PlanUp(const std::string& target) {
    v1::PlanRequest request;
    request.set_target(target);
    request.set_direction(v1::DIRECTION_UP);
    return Call(*migration_, &Migration::Plan, request);
  }
  void UpgradeTo(const std::string& target) {
    const auto run = StartUpgrade(target);
    ASSERT_OK(run);
    ASSERT_EQ(Await(run->name())->state(), v1::RUN_STATE_SUCCEEDED);
  }
};

TEST_F(MigrationServerReads, StatusFollowsWhatIsApplied) {
  ASSERT_OK_AND_ASSIGN(const auto before, Status());
  EXPECT_EQ(before.release(), "");
  EXPECT_THAT(before.pending(), ElementsAre("aaaa", "abbb", "cccc"));
  EXPECT_THAT(before.target_heads(), ElementsAre("catalog@abbb", "orders@cccc"));
  EXPECT_FALSE(before.has_last_run());

  UpgradeTo("v1.0");

  ASSERT_OK_AND_ASSIGN(const auto after, Status());
  EXPECT_EQ(after.release(), "v1.0");
  EXPECT_THAT(after.heads(), ElementsAre("catalog@aaaa"));
  EXPECT_THAT(after.pending(), ElementsAre("abbb", "cccc"));
  EXPECT_EQ(after.last_run().target(), "v1.0");
  EXPECT_EQ(after.definitions_problem(), "");
  EXPECT_FALSE(after.lease().is_held());
}

TEST_F(MigrationServerReads, ListsRevisionsPageByPage) {
  UpgradeTo("aaaa");
  v1::ListRevisionsRequest request;
  request.set_page_size(2);
  ASSERT_OK_AND_ASSIGN(const auto first, Call(*migration_, &Migration::ListRevisions, request));
  ASSERT_EQ(first.revisions_size(), 2);
  EXPECT_EQ(first.revisions(0).name(), "revisions/aaaa");
  EXPECT_EQ(first.revisions(0).state(), v1::REVISION_STATE_APPLIED);
  EXPECT_EQ(first.revisions(0).release(), "v1.0");
  EXPECT_EQ(first.revisions(1).state(), v1::REVISION_STATE_PENDING);
  request.set_page_token(first.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto second, Call(*migration_, &Migration::ListRevisions, request));
  ASSERT_EQ(second.revisions_size(), 1);
  EXPECT_EQ(second.revisions(0).id(), "cccc");
  EXPECT_EQ(second.next_page_token(), "");

  request.Clear();
  request.set_service("orders");
  ASSERT_OK_AND_ASSIGN(const auto own, Call(*migration_, &Migration::ListRevisions, request));
  ASSERT_EQ(own.revisions_size(), 1);
  EXPECT_EQ(own.revisions(0).id(), "cccc");
}

TEST_F(MigrationServerReads, ListsReleasesHistoryAndRuns) {
  UpgradeTo("v1.0");
  UpgradeTo("head");
  ASSERT_OK_AND_ASSIGN(const auto releases,
                       Call(*migration_, &Migration::ListReleases, v1::ListReleasesRequest()));
  ASSERT_EQ(releases.releases_size(), 1);
  EXPECT_TRUE(releases.releases(0).is_applied());
  EXPECT_THAT(releases.releases(0).revisions(), ElementsAre("aaaa"));

  v1::ListHistoryRequest history;
  history.set_page_size(2);
  ASSERT_OK_AND_ASSIGN(const auto entries, Call(*migration_, &Migration::ListHistory, history));
  ASSERT_EQ(entries.entries_size(), 2);
  EXPECT_EQ(entries.entries(0).revision(), "cccc");
  EXPECT_EQ(entries.entries(0).direction(), "up");
  EXPECT_EQ(entries.entries(0).actor(), "tester");
  EXPECT_EQ(entries.entries(1).revision(), "abbb");

  v1::ListRunsRequest runs;
  runs.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto newest, Call(*migration_, &Migration::ListRuns, runs));
  ASSERT_EQ(newest.runs_size(), 1);
  EXPECT_EQ(newest.runs(0).target(), "head");
  runs.set_page_token(newest.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto older, Call(*migration_, &Migration::ListRuns, runs));
  ASSERT_EQ(older.runs_size(), 1);
  EXPECT_EQ(older.runs(0).target(), "v1.0");
  EXPECT_EQ(older.next_page_token(), "");
}

TEST_F(MigrationServerReads, RendersTheIndexInBothFormats) {
  UpgradeTo("v1.0");
  v1::RenderIndexRequest request;
  ASSERT_OK_AND_ASSIGN(const auto markdown, Call(*migration_, &Migration::RenderIndex, request));
  EXPECT_THAT(markdown.content(), AllOf(HasSubstr("# "), HasSubstr("v1.0"), HasSubstr("abbb")));
  request.set_format("html");
  ASSERT_OK_AND_ASSIGN(const auto html, Call(*migration_, &Migration::RenderIndex, request));
  EXPECT_THAT(html.content(), HasSubstr("<h1>"));
}

TEST_F(MigrationServerReads, ShowsOneRevisionByPrefix) {
  v1::GetRevisionRequest request;
  request.set_name("revisions/ab");
  ASSERT_OK_AND_ASSIGN(const auto revision, Call(*migration_, &Migration::GetRevision, request));
  EXPECT_EQ(revision.id(), "abbb");
  ASSERT_EQ(revision.steps_size(), 1);
  EXPECT_THAT(revision.steps(0).up_sql(), HasSubstr("CREATE TABLE core.t_abbb"));
}

TEST_F(MigrationServerReads, VerifyReportsViolationsInItsAnswer) {
  UpgradeTo("head");
  db_.Execute(
      "ALTER TABLE core.t_aaaa DROP CONSTRAINT t_aaaa_pkey, ALTER id DROP NOT NULL;"
      "INSERT INTO core.t_aaaa VALUES (NULL)");
  ASSERT_OK_AND_ASSIGN(const auto verified,
                       Call(*migration_, &Migration::Verify, v1::VerifyRequest()));
  EXPECT_EQ(verified.results_size(), 3);
  EXPECT_EQ(verified.failed_count(), 1);
}

TEST_F(MigrationServerReads, RefusesTextWithNul) {
  ExpectRefused<v1::ListRevisionsRequest>(&Migration::ListRevisions, "service",
                                          [](auto& in) { in.set_service(kNul); });
  ExpectRefused<v1::ListRevisionsRequest>(&Migration::ListRevisions, "page_token",
                                          [](auto& in) { in.set_page_token(kNul); });
  ExpectRefused<v1::GetRevisionRequest>(&Migration::GetRevision, "name",
                                        [](auto& in) { in.set_name("revisions/" + kNul); });
  ExpectRefused<v1::PlanRequest>(&Migration::Plan, "target", [](auto& in) {
    in.set_target(kNul);
    in.set_direction(v1::DIRECTION_UP);
  });
  ExpectRefused<v1::UpgradeRequest>(&Migration::Upgrade, "target",
                                    [](auto& in) { in.set_target(kNul); });
  ExpectRefused<v1::DowngradeRequest>(&Migration::Downgrade, "target",
                                      [](auto& in) { in.set_target(kNul); });
  ExpectRefused<v1::StampRequest>(&Migration::Stamp, "target",
                                  [](auto& in) { in.set_target(kNul); });
  ExpectRefused<v1::AmendRequest>(&Migration::Amend, "down_sql", [](auto& in) {
    in.set_revision("aaaa");
    in.set_reason("x");
    in.set_down_sql(kNul);
  });
  ExpectRefused<v1::RenderIndexRequest>(&Migration::RenderIndex, "format",
                                        [](auto& in) { in.set_format(kNul); });
  ExpectRefused<v1::GetRunRequest>(&Migration::GetRun, "name",
                                   [](auto& in) { in.set_name("runs/" + kNul); });
  ExpectRefused<v1::ListRunsRequest>(&Migration::ListRuns, "page_token",
                                     [](auto& in) { in.set_page_token(kNul); });
  ExpectRefused<v1::CancelRunRequest>(&Migration::CancelRun, "name",
                                      [](auto& in) { in.set_name("runs/" + kNul); });
  ExpectRefused<v1::ListArchivesRequest>(&Migration::ListArchives, "page_token",
                                         [](auto& in) { in.set_page_token("archives/" + kNul); });
  ExpectRefused<v1::RestoreArchiveRequest>(&Migration::RestoreArchive, "name",
                                           [](auto& in) { in.set_name("archives/" + kNul); });
}

TEST_F(MigrationServerReads, RefusesMalformedFields) {
  ExpectRefused<v1::ListRevisionsRequest>(&Migration::ListRevisions, "page_size",
                                          [](auto& in) { in.set_page_size(-1); });
  ExpectRefused<v1::ListRevisionsRequest>(&Migration::ListRevisions, "page_token",
                                          [](auto& in) { in.set_page_token("zzzz"); });
  ExpectRefused<v1::ListRevisionsRequest>(&Migration::ListRevisions, "service",
                                          [](auto& in) { in.set_service("shipping"); });
  ExpectRefused<v1::ListHistoryRequest>(&Migration::ListHistory, "page_size",
                                        [](auto& in) { in.set_page_size(-1); });
  ExpectRefused<v1::ListRunsRequest>(&Migration::ListRuns, "page_size",
                                     [](auto& in) { in.set_page_size(-1); });
  ExpectRefused<v1::ListRunsRequest>(&Migration::ListRuns, "page_token",
                                     [](auto& in) { in.set_page_token("runs/1"); });
  ExpectRefused<v1::ListRunsRequest>(&Migration::ListRuns, "page_token",
                                     [](auto& in) { in.set_page_token("runs/" + NewUuid()); });
  ExpectRefused<v1::GetRevisionRequest>(&Migration::GetRevision, "name",
                                        [](auto& in) { in.set_name("aaaa"); });
  ExpectRefused<v1::GetRevisionRequest>(&Migration::GetRevision, "name",
                                        [](auto& in) { in.set_name("revisions/a"); });
  ExpectRefused<v1::PlanRequest>(&Migration::Plan, "direction",
                                 [](auto& in) { in.set_target("head"); });
  ExpectRefused<v1::PlanRequest>(&Migration::Plan, "target", [](auto& in) {
    in.set_target("a");
    in.set_direction(v1::DIRECTION_UP);
  });
  ExpectRefused<v1::UpgradeRequest>(&Migration::Upgrade, "request_id",
                                    [](auto& in) { in.set_request_id("1"); });
  ExpectRefused<v1::DowngradeRequest>(&Migration::Downgrade, "target", [](auto&) {});
  ExpectRefused<v1::DowngradeRequest>(&Migration::Downgrade, "request_id", [](auto& in) {
    in.set_target("base");
    in.set_request_id("1");
  });
  ExpectRefused<v1::StampRequest>(&Migration::Stamp, "request_id", [](auto& in) {
    in.set_target("head");
    in.set_request_id("1");
  });
  ExpectRefused<v1::AmendRequest>(&Migration::Amend, "reason", [](auto& in) {
    in.set_revision("aaaa");
    in.set_down_sql("SELECT 1;");
  });
  ExpectRefused<v1::RenderIndexRequest>(&Migration::RenderIndex, "format",
                                        [](auto& in) { in.set_format("pdf"); });
  ExpectRefused<v1::ListArchivesRequest>(&Migration::ListArchives, "page_size",
                                         [](auto& in) { in.set_page_size(-1); });
  ExpectRefused<v1::RestoreArchiveRequest>(&Migration::RestoreArchive, "request_id", [](auto& in) {
    in.set_name("archives/1");
    in.set_request_id("1");
  });
  for (const char* name : {"7", "archives/x", "archives/0", "archives/7 "}) {
    ExpectRefused<v1::ListArchivesRequest>(&Migration::ListArchives, "page_token",
                                           [name](auto& in) { in.set_page_token(name); });
    ExpectRefused<v1::RestoreArchiveRequest>(&Migration::RestoreArchive, "name",
                                             [name](auto& in) { in.set_name(name); });
  }
  for (const char* name : {"", "jobs/1", "runs/", "runs/a/b"}) {
    ExpectRefused<v1::GetRunRequest>(&Migration::GetRun, "name",
                                     [name](auto& in) { in.set_name(name); });
    ExpectRefused<v1::CancelRunRequest>(&Migration::CancelRun, "name",
                                        [name](auto& in) { in.set_name(name); });
  }
}

// A database that does not answer says nothing about the token.
TEST_F(MigrationServerReads, AnOutageIsNotABadPageToken) {
  EngineOptions nowhere;
  nowhere.database_url = "host=" + folder_.root() + " dbname=none";
  Engine engine(nowhere, Definitions{});
  v1::ListRunsRequest request;
  request.set_page_token("runs/" + NewUuid());

  EXPECT_THAT(Api(engine).ListRuns(context_, request),
              StatusIs(absl::StatusCode::kUnavailable, Reason("DATABASE_UNREACHABLE")));
}

TEST_F(MigrationServerReads, SaysWhichFieldNamesWhatIsNotThere) {
  const auto unknown = [](const std::string& field) {
    return StatusIs(absl::StatusCode::kNotFound, AllOf(Reason("TARGET_UNKNOWN"), HasField(field)));
  };
  v1::GetRevisionRequest get;
  get.set_name("revisions/dddd");
  EXPECT_THAT(Call(*migration_, &Migration::GetRevision, get), unknown("name"));
  EXPECT_THAT(PlanUp("dddd"), unknown("target"));
  v1::StampRequest stamp;
  stamp.set_target("v9");
  EXPECT_THAT(Call(*migration_, &Migration::Stamp, stamp), unknown("target"));
  v1::AmendRequest amend;
  amend.set_revision("dddd");
  amend.set_down_sql("SELECT 1;");
  amend.set_reason("x");
  EXPECT_THAT(Call(*migration_, &Migration::Amend, amend), unknown("revision"));
  for (const std::string name : {"runs/zzzz", "runs/abcd"}) {
    EXPECT_THAT(GetRun(name), StatusIs(absl::StatusCode::kNotFound, Reason("RUN_NOT_FOUND")));
  }
}

TEST_F(MigrationServerReads, SeesARevisionThatWasAdded) {
  ASSERT_EQ(PlanUp("head")->revisions_size(), 3);

  folder_.AddRevision("orders", "dddd", "down_revision: \"cccc\"\n");

  EXPECT_EQ(PlanUp("head")->revisions_size(), 4);
  EXPECT_THAT(Status()->target_heads(), ElementsAre("catalog@abbb", "orders@dddd"));
  UpgradeTo("head");
  EXPECT_TRUE(TableExists("transactions.t_dddd"));
}

TEST_F(MigrationServerReads, RunsAMendedStep) {
  folder_.Write("orders/cccc_x/up.sql", "CREATE TABLE transactions.t_cccc (id nosuchtype);\n");
  ASSERT_OK_AND_ASSIGN(const v1::Run failing, StartUpgrade());
  EXPECT_EQ(Await(failing.name())->error_reason(), "STEP_FAILED");

  folder_.Write("orders/cccc_x/up.sql", "CREATE TABLE transactions.t_cccc (id uuid);\n");

  UpgradeTo("head");
  EXPECT_TRUE(TableExists("transactions.t_cccc"));
}

TEST_F(MigrationServerReads, KeepsTheDefinitionsBeforeWhileTheFolderIsBroken) {
  UpgradeTo("aaaa");
  folder_.Write("orders/cccc_x/up.sql", "COMMIT;\n");
  folder_.Write("catalog/abbb_x/up.sql", "BEGIN;\n");

  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, Reason("DEFINITIONS_INVALID"));
  EXPECT_THAT(PlanUp("head"), refused);
  EXPECT_THAT(StartUpgrade(), refused);
  EXPECT_THAT(StartDowngrade("base"), refused);
  EXPECT_THAT(Call(*migration_, &Migration::Verify, v1::VerifyRequest()), refused);
  EXPECT_THAT(MessageOf(PlanUp("head").status()),
              AllOf(HasSubstr("orders/cccc_x/up.sql:1"), HasSubstr("catalog/abbb_x/up.sql:1")));
  ASSERT_OK_AND_ASSIGN(const auto status, Status());
  EXPECT_THAT(status.definitions_problem(), HasSubstr("catalog/abbb_x/up.sql:1"));
  EXPECT_THAT(status.pending(), ElementsAre("abbb", "cccc"));

  folder_.AddRevision("catalog", "abbb", "down_revision: \"aaaa\"\n");
  folder_.AddRevision("orders", "cccc", "depends_on: \"aaaa\"\n");
  EXPECT_EQ(PlanUp("head")->revisions_size(), 2);
  EXPECT_EQ(Status()->definitions_problem(), "");
}

TEST_F(MigrationServerReads, SaysThatTheFolderIsGone) {
  folder_.Remove("");
  EXPECT_THAT(PlanUp("head"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("MIGRATIONS_FOLDER_MISSING")));
  EXPECT_OK(Status());
}

}  // namespace
}  // namespace lockstep::migration
