#include "common/pg/connection.h"

#include "common/pg/sqlstate.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace lockstep::pg {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using lockstep::testing::TestDatabase;

class ConnectionTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> Open(bool prepare = false) {
    ConnectionOptions options;
    options.database_url = database_.url();
    options.application_name = "connection-test";
    options.prepare_statements = prepare;
    auto connection = Connection::Open(options);
    EXPECT_OK(connection);
    return *std::move(connection);
  }

  TestDatabase database_ = TestDatabase::Create();
};

TEST_F(ConnectionTest, ReadsEveryTypeByName) {
  auto connection = Open();

  ASSERT_OK_AND_ASSIGN(
      Result result,
      connection->Query("SELECT $1::text AS t, $2::bigint AS i, $3::boolean AS b, NULL::text AS n,"
                        " $4::timestamptz AS at, $5::date AS d, $6::numeric(10,2)::text AS m",
                        "x", 7, true, absl::FromUnixMicros(1'700'000'000'123'456),
                        absl::CivilDay(2024, 2, 29), "12.30"));

  const Row row = result[0];
  EXPECT_EQ(row.Text("t"), "x");
  EXPECT_EQ(row.Get<int64_t>("i"), 7);
  EXPECT_TRUE(row.Get<bool>("b"));
  EXPECT_EQ(row.OptionalText("n"), std::nullopt);
  EXPECT_EQ(row.Get<absl::Time>("at"), absl::FromUnixMicros(1'700'000'000'123'456));
  EXPECT_EQ(row.Get<absl::CivilDay>("d"), absl::CivilDay(2024, 2, 29));
  EXPECT_EQ(row.Text("m"), "12.30");
  EXPECT_THROW(row.Text("absent"), RowError);
  EXPECT_THROW(row.Text("n"), RowError);
}

TEST_F(ConnectionTest, RefusesTextThatPostgresWouldCut) {
  auto connection = Open();

  EXPECT_THAT(connection->Query("SELECT $1::text", std::string("a\0b", 3)),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("TEXT_HAS_NUL")));
}

TEST_F(ConnectionTest, ScriptReturnsOneResultPerStatement) {
  auto connection = Open();

  ASSERT_OK_AND_ASSIGN(auto results, connection->Script("SELECT 1 AS a; SELECT 2 AS a, 3 AS b"));

  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[1][0].Get<int64_t>("b"), 3);
}

TEST_F(ConnectionTest, ScriptStopsAtTheFirstErrorAndStaysUsable) {
  auto connection = Open();

  EXPECT_THAT(connection->Script("CREATE TABLE t (i int); SELECT 1/0; CREATE TABLE u (i int)"),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("VALUE_NOT_STORABLE")));
  ASSERT_OK_AND_ASSIGN(Result tables, connection->Query("SELECT to_regclass('t') IS NULL AS gone"));
  EXPECT_TRUE(tables[0].Get<bool>("gone"));
}

TEST_F(ConnectionTest, PipelineRunsInOrderAndReportsTheFirstError) {
  auto connection = Open();
  ASSERT_OK(connection->Script("CREATE TABLE t (i int PRIMARY KEY)"));

  ASSERT_OK_AND_ASSIGN(auto results, connection->Pipeline({{"INSERT INTO t VALUES ($1)", {1}},
                                                           {"SELECT i FROM t WHERE i = $1", {1}}}));
  EXPECT_EQ(results[1].size(), 1);

  EXPECT_THAT(connection->Pipeline({{"INSERT INTO t VALUES ($1)", {2}},
                                    {"INSERT INTO t VALUES ($1)", {1}},
                                    {"INSERT INTO t VALUES ($1)", {3}}}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_OK_AND_ASSIGN(Result left, connection->Query("SELECT i FROM t"));
  EXPECT_EQ(left.size(), 1);
}

TEST_F(ConnectionTest, CopyInLoadsEscapedLinesAndSurvivesAnError) {
  auto connection = Open();
  ASSERT_OK(connection->Script("CREATE TABLE t (a text, b int)"));
  std::string lines;
  AppendCopyField(lines, "tab\there");
  lines += "\t1\n\\N\t2\n";

  EXPECT_THAT(connection->CopyIn("COPY t (a, b) FROM STDIN", lines), IsOkAndHolds(2));
  EXPECT_THAT(connection->CopyIn("COPY t (a, b) FROM STDIN", "x\tnot a number\n"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(connection->CopyIn("COPY absent FROM STDIN", "x\n"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SCHEMA_NOT_READY")));
  ASSERT_OK_AND_ASSIGN(Result rows, connection->Query("SELECT a FROM t ORDER BY b"));
  EXPECT_EQ(rows[0].Text("a"), "tab\there");
  EXPECT_TRUE(rows[1].IsNull("a"));
}

TEST_F(ConnectionTest, CommitAfterAnIgnoredErrorIsNotSuccess) {
  auto connection = Open();
  ASSERT_OK(connection->Script("BEGIN"));
  EXPECT_FALSE(connection->Query("SELECT 1/0").ok());

  EXPECT_THAT(connection->Commit(),
              StatusIs(absl::StatusCode::kAborted, Reason("TRANSACTION_FAILED")));
}

TEST_F(ConnectionTest, StaysLostAfterItsBackendWasTerminated) {
  auto connection = Open();
  database_.Execute("SELECT pg_terminate_backend(" + std::to_string(connection->backend_pid()) +
                    ", 2000)");

  EXPECT_THAT(connection->Query("SELECT 1"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(connection->is_lost());
  EXPECT_THAT(connection->Query("SELECT 1"), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ConnectionTest, TellsARefusedLoginFromAnOutage) {
  ConnectionOptions options;
  options.database_url = database_.url("nobody_like_this");
  EXPECT_THAT(Connection::Open(options),
              StatusIs(absl::StatusCode::kUnavailable, Reason("DATABASE_LOGIN_REFUSED")));
  options.database_url = "host=/nonexistent dbname=x";
  EXPECT_THAT(Connection::Open(options),
              StatusIs(absl::StatusCode::kUnavailable, Reason("DATABASE_UNREACHABLE")));
}

TEST_F(ConnectionTest, IoDeadlineEndsAWaitForASilentServer) {
  auto connection = Open();
  connection->SetIoDeadline(absl::Now() + absl::Milliseconds(50));

  EXPECT_THAT(connection->Query("SELECT pg_sleep(5)"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(connection->is_lost());
}

}  // namespace
}  // namespace lockstep::pg
