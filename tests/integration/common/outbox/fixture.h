// A database with an outbox and an inbox, for the tests of this folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/outbox/outbox.h"
#include "common/pg/pool.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace lockstep::outbox {

inline constexpr pg::TableName kOutbox = "shop.outbox";
inline constexpr pg::TableName kInbox = "shop.inbox";

inline Context Soon() { return Context::WithTimeout(absl::Seconds(30)); }

class OutboxFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    database_.Execute(
        "CREATE SCHEMA shop;"
        "CREATE TABLE shop.outbox (event_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
        " sequence bigint GENERATED ALWAYS AS IDENTITY UNIQUE, aggregate text NOT NULL,"
        " kind text NOT NULL, payload jsonb NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now(), delivered_at timestamptz,"
        " attempts integer NOT NULL DEFAULT 0,"
        " next_attempt_at timestamptz NOT NULL DEFAULT now(), dead_at timestamptz,"
        " last_error text);"
        "CREATE INDEX ON shop.outbox (aggregate, sequence)"
        " WHERE delivered_at IS NULL AND dead_at IS NULL;"
        "CREATE INDEX ON shop.outbox (next_attempt_at, sequence)"
        " WHERE delivered_at IS NULL AND dead_at IS NULL;"
        "CREATE TABLE shop.inbox (event_id uuid PRIMARY KEY, source text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now());"
        "CREATE TABLE shop.effects (n bigint GENERATED ALWAYS AS IDENTITY, what text)");
    pool_ = NewPool();
  }

  std::unique_ptr<pg::Pool> NewPool() {
    return std::make_unique<pg::Pool>(pg::PoolOptions{.database_url = database_.url(), .size = 4});
  }

  absl::Status AppendAll(const std::vector<NewEvent>& events) {
    return pool_->Write(Soon(), [&](pg::Tx& tx) { return AppendMany(tx, kOutbox, events); });
  }

  // Lets every delay and lease that is under way run out.
  void LetTimePass() { database_.Execute("UPDATE shop.outbox SET next_attempt_at = now()"); }

  std::string Count(const std::string& condition) {
    return database_.QueryText("SELECT count(*) FROM shop.outbox WHERE " + condition);
  }

  // Polls `condition` until it holds; false after half a minute.
  template <typename Condition>
  static bool Eventually(Condition condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(1));  // between looks, so that what is awaited gets the CPU
    }
    return true;
  }

  lockstep::testing::TestDatabase database_ = lockstep::testing::TestDatabase::Create();
  std::unique_ptr<pg::Pool> pool_;
};

}  // namespace lockstep::outbox
