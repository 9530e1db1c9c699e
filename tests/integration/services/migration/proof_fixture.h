// An engine that may make scratch databases.
#pragma once

#include <string>
#include <utility>

#include "tests/integration/services/migration/engine_fixture.h"

namespace lockstep::migration {

class ProofTest : public EngineTest {
 protected:
  // Of revisions that promise nothing.
  static inline const std::pair<std::string, std::string> kHolds = {"verify.sql",
                                                                    "SELECT 1 WHERE false;"};

  EngineOptions WithAdministrator() const {
    EngineOptions options = Options();
    options.admin_url = db_.url();
    return options;
  }
  // aaaa is applied and has rows; whatever is written next is pending.
  void ApplyFirst(const std::string& up, const std::string& rows) {
    WriteRevision("aaaa", "", {{"up.sql", up}, {"down.sql", "SELECT 1;"}, kHolds});
    ASSERT_OK(NewEngine(WithAdministrator())->Upgrade(context_, "head", {}, sink_));
    if (!rows.empty()) db_.Execute(rows);
  }
  void WriteNext(const std::string& up, const std::string& down, const std::string& more = "") {
    WriteRevision("bbbb", "down_revision: \"aaaa\"\n" + more,
                  {{"up.sql", up}, {"down.sql", down}, kHolds});
  }
  absl::StatusOr<RehearsalReport> Rehearse(Trip trip = Trip::kUpAndBack) {
    return NewEngine(WithAdministrator())->Rehearse(context_, "head", trip, [](std::string_view) {
    });
  }
  // Names of scratch databases that are there.
  std::string Scratches() const {
    return db_.QueryText(
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'lockstep\\_scratch\\_%'");
  }
};

}  // namespace lockstep::migration
