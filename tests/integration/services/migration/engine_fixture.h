// A bootstrapped database, a migrations folder of the test's own, and engines that join the two.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "services/migration/engine/definitions.h"
#include "services/migration/engine/run/engine.h"
#include "tests/support/test_database.h"
#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration {

// Keeps what it was told.
class CollectingSink final : public EventSink {
 public:
  void OnEvent(const RunEvent& event) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  }
  std::vector<RunEvent> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  // Messages of one kind.
  std::vector<std::string> Messages(std::string_view kind) const {
    std::vector<std::string> messages;
    for (const RunEvent& event : events()) {
      if (event.kind == kind) messages.push_back(event.message);
    }
    return messages;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<RunEvent> events_;
};

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    folder_.Write("releases.textproto", "");
    EngineOptions options;
    options.database_url = db_.url();
    Engine bootstrap(options, Definitions{});
    const auto done = bootstrap.Bootstrap(context_);
    EXPECT_TRUE(done.ok()) << done.status();
  }

  EngineOptions Options() const {
    EngineOptions options;
    options.database_url = db_.url("lockstep_migrator");
    options.actor = "tester";
    options.lease_ttl = absl::Seconds(2);
    options.lease_wait = absl::Seconds(20);
    return options;
  }

  // An engine on the folder as it is now.
  std::unique_ptr<Engine> NewEngine(EngineOptions options) const {
    auto definitions = LoadDefinitions(folder_.root());
    EXPECT_TRUE(definitions.ok()) << definitions.status();
    return std::make_unique<Engine>(std::move(options),
                                    definitions.ok() ? *std::move(definitions) : Definitions{});
  }
  std::unique_ptr<Engine> NewEngine() const { return NewEngine(Options()); }

  absl::StatusOr<RunReport> Upgrade(std::string_view target = "head", RunOptions run = {}) {
    return NewEngine()->Upgrade(context_, target, run, sink_);
  }
  absl::StatusOr<RunReport> Downgrade(std::string_view target, RunOptions run = {}) {
    return NewEngine()->Downgrade(context_, target, run, sink_);
  }

  // A revision of catalog with files of the test's own. `files` is {name, text} pairs.
  void WriteRevision(const std::string& id, const std::string& more,
                     const std::vector<std::pair<std::string, std::string>>& files,
                     const std::string& service = "catalog") const {
    const std::string path = service + "/" + id + "_x/";
    folder_.Write(path + "revision.textproto",
                  "id: \"" + id + "\"\ntitle: \"Title of " + id + "\"\nservice: \"" + service +
                      "\"\ncreated: \"2025-10-01\"\nphase: PHASE_EXPAND\n" + more);
    for (const auto& [name, text] : files) folder_.Write(path + name, text);
  }

  bool TableExists(const std::string& table) const {
    return db_.QueryText("SELECT to_regclass('" + table + "') IS NOT NULL") == "t";
  }
  // "aaaa:1,2 bbbb:1!" - applied steps by revision, "!" = recorded as complete.
  std::string AppliedText() const {
    return db_.QueryText(
        "SELECT coalesce(string_agg(t, ' ' ORDER BY t), '') FROM (SELECT s.revision || ':' ||"
        " string_agg(s.ordinal::text, ',' ORDER BY s.ordinal) || CASE WHEN EXISTS (SELECT FROM"
        " migration.applied_revisions r WHERE r.revision = s.revision) THEN '!' ELSE '' END AS t"
        " FROM migration.applied_steps s GROUP BY s.revision) AS x");
  }

  const Context context_ = Context::WithTimeout(absl::Seconds(60));
  testing::TestDatabase db_ = testing::TestDatabase::Create();
  MigrationsFolder folder_;
  CollectingSink sink_;
};

}  // namespace lockstep::migration
