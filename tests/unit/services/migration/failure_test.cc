#include "services/migration/engine/run/failure.h"

#include "common/pg/sqlstate.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::migration {
namespace {

// A run's end as the ledger tells it: the reason without the code.
absl::Status AsTheLedgerTells(const absl::Status& status) {
  return Error(absl::StatusCode::kFailedPrecondition, ReasonOf(status), MessageOf(status));
}

TEST(ExitClassOfTest, IsTheSameForARunThatTheLedgerTellsOf) {
  for (const char* state : {"40001", "40P01", "55P03", "57014", "23505", "23503", "23514", "23502",
                            "23000", "22003", "25006", "42501", "42P01", "42703", "3F000", "53300",
                            "53100", "54000", "57P01", "08006", "28P01", "3D000", "XX000"}) {
    pg::Diagnostics diagnostics;
    diagnostics.sqlstate = state;
    const absl::Status status = pg::StatusFromDiagnostics(diagnostics);

    EXPECT_EQ(ExitClassOf(AsTheLedgerTells(status)), ExitClassOf(status)) << state;
  }
  const absl::Status lost =
      Error(absl::StatusCode::kUnavailable, "CONNECTION_LOST", "the connection broke");
  EXPECT_EQ(ExitClassOf(lost), ExitClass::kUnreachable);
  EXPECT_EQ(ExitClassOf(AsTheLedgerTells(lost)), ExitClass::kUnreachable);
}

TEST(ExitClassOfTest, AHeldRunAndAChangedPlanAreBlocked) {
  for (const char* reason : {"FROZEN", "PLAN_CHANGED"}) {
    EXPECT_EQ(ExitClassOf(Error(absl::StatusCode::kFailedPrecondition, reason, "no")),
              ExitClass::kBlocked)
        << reason;
  }
}

TEST(ExitClassOfTest, TellsWhatADatabaseRefuses) {
  pg::Diagnostics diagnostics;
  diagnostics.sqlstate = "42501";

  EXPECT_EQ(ExitClassOf(pg::StatusFromDiagnostics(diagnostics)), ExitClass::kNotPermitted);
}

}  // namespace
}  // namespace lockstep::migration
