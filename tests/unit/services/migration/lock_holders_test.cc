// What kind a holder is, and whether waiting for it helps.
#include "services/migration/engine/run/lock_holders.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/migration/engine/run/preflight.h"

namespace lockstep::migration {
namespace {

using ::testing::HasSubstr;

TEST(HolderKindTest, FollowsWhatTheServerShows) {
  struct Case {
    SessionTraits session;
    HolderKind kind;
  };
  const absl::Duration long_ago = absl::Minutes(1);
  const Case cases[] = {
      {{"client backend", "orders", "active", "SELECT 1", long_ago}, HolderKind::kOrdinary},
      {{"client backend", "orders", "idle in transaction", "SELECT 1", long_ago},
       HolderKind::kIdleInTransaction},
      {{"client backend", "orders", "idle in transaction (aborted)", "SELECT 1", long_ago},
       HolderKind::kIdleInTransaction},
      // Between two statements.
      {{"client backend", "orders", "idle in transaction", "SELECT 1", absl::Milliseconds(5)},
       HolderKind::kOrdinary},
      {{"client backend", "pg_dump", "idle in transaction", "COPY x TO stdout", long_ago},
       HolderKind::kDump},
      {{"client backend", "pg_dumpall", "active", "COPY x TO stdout", long_ago}, HolderKind::kDump},
      {{"autovacuum worker", "", "active", "autovacuum: VACUUM core.t", long_ago},
       HolderKind::kVacuum},
      {{"autovacuum worker", "", "active", "autovacuum: VACUUM core.t (to prevent wraparound)",
        long_ago},
       HolderKind::kWraparoundVacuum},
      {{"walsender", "pg_basebackup", "active", "BASE_BACKUP", long_ago}, HolderKind::kWalsender},
      // Hidden from the migrator.
      {{"", "", "", "<insufficient privilege>", absl::ZeroDuration()}, HolderKind::kOrdinary},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(KindOf(c.session), c.kind) << c.session.application << " " << c.session.query;
  }
}

TEST(HolderKindTest, PolicyNamesOnlyWhatCanBeEndedWithoutHarm) {
  for (const HolderKind kind : {HolderKind::kOrdinary, HolderKind::kIdleInTransaction,
                                HolderKind::kDump, HolderKind::kWraparoundVacuum}) {
    EXPECT_EQ(CancellableKind(ToText(kind)), kind);
  }
  for (const char* text : {"vacuum", "walsender", "prepared_transaction", "", "everybody"}) {
    EXPECT_EQ(CancellableKind(text), std::nullopt) << text;
  }
}

TEST(OutlastsTest, WaitingHelpsAgainstWhoWillSoonBeGone) {
  const absl::Duration timeout = absl::Milliseconds(500);
  LockHolder holder{.pid = 7, .kind = HolderKind::kOrdinary, .age = absl::Milliseconds(100)};
  EXPECT_FALSE(Outlasts(holder, timeout, absl::ZeroDuration()));
  // Hidden or not, it has been there for longer than the timeout.
  EXPECT_TRUE(Outlasts(holder, timeout, absl::Seconds(1)));
  holder.age = absl::Seconds(1);
  EXPECT_TRUE(Outlasts(holder, timeout, absl::ZeroDuration()));
  holder.age = std::nullopt;
  EXPECT_FALSE(Outlasts(holder, timeout, absl::ZeroDuration()));
  holder.kind = HolderKind::kVacuum;
  EXPECT_FALSE(Outlasts(holder, timeout, absl::Hours(1)));
  for (const HolderKind kind :
       {HolderKind::kIdleInTransaction, HolderKind::kDump, HolderKind::kWraparoundVacuum,
        HolderKind::kWalsender, HolderKind::kPreparedTransaction}) {
    holder.kind = kind;
    EXPECT_TRUE(Outlasts(holder, timeout, absl::ZeroDuration())) << ToText(kind);
  }
}

TEST(LadderTest, BeginsShortAndNeverExceedsTheStep) {
  EXPECT_EQ(LadderTimeoutMs(0, 2'000), 200);
  EXPECT_EQ(LadderTimeoutMs(1, 2'000), 300);
  EXPECT_EQ(LadderTimeoutMs(2, 2'000), 500);
  EXPECT_EQ(LadderTimeoutMs(3, 2'000), 2'000);
  EXPECT_EQ(LadderTimeoutMs(100, 2'000), 2'000);
  EXPECT_EQ(LadderTimeoutMs(2, 250), 250);
  EXPECT_EQ(LadderTimeoutMs(0, 50), 50);
}

TEST(GraceTest, GrowsWhereShortOnesComeToNothing) {
  for (const int tries : {0, 1, 2, 3}) EXPECT_EQ(GraceFor(tries, 2'000), absl::Milliseconds(50));
  EXPECT_EQ(GraceFor(4, 2'000), absl::Milliseconds(100));
  EXPECT_EQ(GraceFor(5, 2'000), absl::Milliseconds(200));
  EXPECT_EQ(GraceFor(1'000, 2'000), absl::Milliseconds(2'000));
  EXPECT_EQ(GraceFor(1'000, 300), absl::Milliseconds(300));
}

TEST(LockHolderTest, SaysWhoAndWhatToDo) {
  LockHolder holder{.pid = 4711,
                    .kind = HolderKind::kIdleInTransaction,
                    .user = "orders_app",
                    .application = "lockstep-orders",
                    .state = "idle in transaction",
                    .query = "SELECT 1",
                    .age = absl::Seconds(12)};
  EXPECT_EQ(holder.text(),
            "pid 4711 (orders_app, lockstep-orders, idle in transaction for 12 s): SELECT 1");
  EXPECT_THAT(holder.advice(), HasSubstr("pg_terminate_backend(4711)"));
  holder = {.pid = 0,
            .kind = HolderKind::kPreparedTransaction,
            .user = "orders_app",
            .state = "prepared",
            .query = "it's",
            .age = absl::Seconds(3)};
  EXPECT_EQ(holder.text(), "prepared transaction it's (orders_app, prepared for 3 s)");
  EXPECT_THAT(holder.advice(), HasSubstr("ROLLBACK PREPARED 'it''s'"));
}

}  // namespace
}  // namespace lockstep::migration
