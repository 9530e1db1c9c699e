#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

void CollectingSink::OnEvent(const RunEvent& event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(event);
}

std::vector<RunEvent> CollectingSink::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

std::vector<std::string> CollectingSink::Messages(std::string_view kind) const {
  std::vector<std::string> messages;
  for (const RunEvent& event : events()) {
    if (event.kind == kind) messages.push_back(event.message);
  }
  return messages;
}

EngineTest::EngineTest() {
  folder_.Write("releases.textproto", "");
  EngineOptions options;
  options.database_url = db_.url();
  Engine bootstrap(options, Definitions{});
  const auto done = bootstrap.Bootstrap(context_);
  EXPECT_TRUE(done.ok()) << done.status();
}

EngineOptions EngineTest::Options() const {
  EngineOptions options;
  options.database_url = db_.url("lockstep_migrator");
  options.actor = "tester";
  options.lease_ttl = absl::Seconds(2);
  options.lease_wait = absl::Seconds(20);
  return options;
}

std::unique_ptr<Engine> EngineTest::NewEngine(EngineOptions options) const {
  auto definitions = LoadDefinitions(folder_.root());
  EXPECT_TRUE(definitions.ok()) << definitions.status();
  return std::make_unique<Engine>(std::move(options),
                                  definitions.ok() ? *std::move(definitions) : Definitions{});
}

absl::StatusOr<RunReport> EngineTest::Upgrade(std::string_view target, const RunOptions& run) {
  return NewEngine()->Upgrade(context_, target, run, sink_);
}

absl::StatusOr<RunReport> EngineTest::Downgrade(std::string_view target, const RunOptions& run) {
  return NewEngine()->Downgrade(context_, target, run, sink_);
}

void EngineTest::WriteRevision(const std::string& id, const std::string& more,
                               const std::vector<std::pair<std::string, std::string>>& files,
                               const std::string& service) const {
  const std::string path = service + "/" + id + "_x/";
  folder_.Write(path + "revision.textproto",
                "id: \"" + id + "\"\ntitle: \"Title of " + id + "\"\nservice: \"" + service +
                    "\"\ncreated: \"2025-10-01\"\nphase: PHASE_EXPAND\n" + more);
  for (const auto& [name, text] : files) folder_.Write(path + name, text);
}

bool EngineTest::TableExists(const std::string& table) const {
  return db_.QueryText("SELECT to_regclass('" + table + "') IS NOT NULL") == "t";
}

std::string EngineTest::AppliedText() const {
  return db_.QueryText(
      "SELECT coalesce(string_agg(t, ' ' ORDER BY t), '') FROM (SELECT s.revision || ':' ||"
      " string_agg(s.ordinal::text, ',' ORDER BY s.ordinal) || CASE WHEN EXISTS (SELECT FROM"
      " migration.applied_revisions r WHERE r.revision = s.revision) THEN '!' ELSE '' END AS t"
      " FROM migration.applied_steps s GROUP BY s.revision) AS x");
}

}  // namespace lockstep::migration
