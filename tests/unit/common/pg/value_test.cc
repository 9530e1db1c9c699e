#include "common/pg/value.h"

#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::pg {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

TEST(Param, TruncatesTimesToMicroseconds) {
  const absl::Time time = absl::FromUnixMicros(1) + absl::Nanoseconds(999);

  EXPECT_EQ(Param(time).text(), "1970-01-01 00:00:00.000001+00");
}

TEST(Param, KeepsAbsenceApartFromEmptyText) {
  EXPECT_EQ(Param(std::optional<std::string>()).text(), std::nullopt);
  EXPECT_EQ(Param("").text(), "");
  EXPECT_EQ(Param(std::optional<int>(7)).text(), "7");
  EXPECT_EQ(Param(true).text(), "t");
  EXPECT_EQ(Param(absl::CivilDay(2024, 2, 29)).text(), "2024-02-29");
}

TEST(ArrayLiteral, QuotesEveryValue) {
  const std::vector<std::optional<std::string>> values = {"a", std::nullopt, "NULL", "q\"\\,{}",
                                                          ""};

  EXPECT_EQ(ArrayLiteral(values), R"({"a",NULL,"NULL","q\"\\,{}",""})");
}

TEST(BytesLiteral, IsHex) { EXPECT_EQ(BytesLiteral(std::string("\x00\xff\x1a", 3)), "\\x00ff1a"); }

TEST(CopyField, EscapesWhatEndsFieldsAndLines) {
  std::string line;
  AppendCopyField(line, "a\tb\nc\\d\re");
  AppendCopyField(line, std::nullopt);

  EXPECT_EQ(line, "a\\tb\\nc\\\\d\\re\\N");
}

TEST(Quote, DoublesWhatWouldEndTheText) {
  EXPECT_EQ(QuoteIdentifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(QuoteLiteral("it's"), "'it''s'");
  EXPECT_EQ(QuoteLiteral("a\\b"), " E'a\\\\b'");
}

struct MappingCase {
  const char* sqlstate;
  absl::StatusCode code;
  const char* reason;
};
class SqlState : public ::testing::TestWithParam<MappingCase> {};

TEST_P(SqlState, MapsToOneCodeAndReason) {
  Diagnostics diagnostics;
  diagnostics.sqlstate = GetParam().sqlstate;

  EXPECT_THAT(StatusFromDiagnostics(diagnostics),
              StatusIs(GetParam().code, Reason(GetParam().reason)));
}

INSTANTIATE_TEST_SUITE_P(
    Table, SqlState,
    ::testing::Values(
        MappingCase{"40001", absl::StatusCode::kAborted, "SERIALIZATION_CONFLICT"},
        MappingCase{"40P01", absl::StatusCode::kAborted, "SERIALIZATION_CONFLICT"},
        MappingCase{"55P03", absl::StatusCode::kUnavailable, "LOCK_TIMEOUT"},
        MappingCase{"57014", absl::StatusCode::kDeadlineExceeded, "STATEMENT_CANCELLED"},
        MappingCase{"57P01", absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE"},
        MappingCase{"08006", absl::StatusCode::kUnavailable, "DATABASE_UNREACHABLE"},
        MappingCase{"23505", absl::StatusCode::kAlreadyExists, "UNIQUE_VIOLATION"},
        MappingCase{"23503", absl::StatusCode::kFailedPrecondition, "FOREIGN_KEY_VIOLATION"},
        MappingCase{"23514", absl::StatusCode::kInvalidArgument, "CHECK_VIOLATION"},
        MappingCase{"22003", absl::StatusCode::kInvalidArgument, "VALUE_NOT_STORABLE"},
        MappingCase{"53100", absl::StatusCode::kResourceExhausted, "DATABASE_RESOURCES_EXHAUSTED"},
        MappingCase{"53300", absl::StatusCode::kUnavailable, "TOO_MANY_CONNECTIONS"},
        MappingCase{"42P01", absl::StatusCode::kFailedPrecondition, "SCHEMA_NOT_READY"},
        MappingCase{"42501", absl::StatusCode::kPermissionDenied, "DATABASE_PERMISSION_DENIED"},
        MappingCase{"XX000", absl::StatusCode::kInternal, "DATABASE_ERROR"}),
    [](const auto& tested) { return std::string("S") + tested.param.sqlstate; });

TEST(SqlState, KeepsDiagnosticsOutOfTheMessage) {
  Diagnostics diagnostics;
  diagnostics.sqlstate = "23505";
  diagnostics.detail = "Key (email)=(someone) already exists.";
  diagnostics.constraint = "users_email_key";
  const absl::Status status = StatusFromDiagnostics(diagnostics);

  EXPECT_EQ(MessageOf(status).find("someone"), std::string::npos);
  EXPECT_EQ(MetadataOf(status, "constraint"), "users_email_key");
  EXPECT_EQ(DiagnosticsOf(status)->detail, diagnostics.detail);
}

}  // namespace
}  // namespace lockstep::pg
