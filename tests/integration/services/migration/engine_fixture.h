// A bootstrapped database, a migrations folder of the test's own, and engines that join the two.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
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
  void OnEvent(const RunEvent& event) override;
  std::vector<RunEvent> events() const;
  // Messages of one kind.
  std::vector<std::string> Messages(std::string_view kind) const;

 private:
  mutable std::mutex mutex_;
  std::vector<RunEvent> events_;
};

class EngineTest : public ::testing::Test {
 protected:
  EngineTest();

  EngineOptions Options() const;

  // An engine on the folder as it is now.
  std::unique_ptr<Engine> NewEngine(EngineOptions options) const;
  std::unique_ptr<Engine> NewEngine() const { return NewEngine(Options()); }

  absl::StatusOr<RunReport> Upgrade(std::string_view target = "head", const RunOptions& run = {});
  absl::StatusOr<RunReport> Downgrade(std::string_view target, const RunOptions& run = {});

  // A revision of catalog with files of the test's own. `files` is {name, text} pairs.
  void WriteRevision(const std::string& id, const std::string& more,
                     const std::vector<std::pair<std::string, std::string>>& files,
                     const std::string& service = "catalog") const;

  bool TableExists(const std::string& table) const;
  // "aaaa:1,2 bbbb:1!" - applied steps by revision, "!" = recorded as complete.
  std::string AppliedText() const;

  const Context context_ = Context::WithTimeout(absl::Seconds(60));
  testing::TestDatabase db_ = testing::TestDatabase::Create();
  MigrationsFolder folder_;
  CollectingSink sink_;
};

}  // namespace lockstep::migration
