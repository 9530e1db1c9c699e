// Definitions made in memory, for tests of graph, targets and plans.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "services/migration/engine/model.h"

namespace lockstep::migration {

// One revision with `steps` steps whose checksums are "v1:<id>/<ordinal>".
inline Revision MadeRevision(const std::string& service, const std::string& id,
                             std::vector<std::string> parents = {},
                             std::vector<std::string> depends_on = {}, int steps = 1) {
  Revision revision;
  revision.service = service;
  revision.id = id;
  revision.folder = service + "/" + id + "_x";
  revision.down_revision = std::move(parents);
  revision.depends_on = std::move(depends_on);
  revision.checksum = "v1:" + id;
  for (int i = 1; i <= steps; ++i) {
    Step step;
    step.ordinal = i;
    step.name = "s" + std::to_string(i);
    step.up.file = revision.folder + "/0" + std::to_string(i) + ".up.sql";
    step.down.file = revision.folder + "/0" + std::to_string(i) + ".down.sql";
    step.checksum = "v1:" + id + "/" + std::to_string(i);
    revision.steps.push_back(std::move(step));
  }
  return revision;
}

// A small suite, in global order:
//   v1: c001, o001            v2: c002, f001 (needs o001), o002 (needs c002; two steps)
//   v3: o003 (needs f001)     unreleased: c003
inline Definitions MadeSuite() {
  Definitions definitions;
  definitions.revisions = {
      MadeRevision("catalog", "c001"),
      MadeRevision("orders", "o001", {}, {"c001"}),
      MadeRevision("catalog", "c002", {"c001"}),
      MadeRevision("finance", "f001", {}, {"o001"}),
      MadeRevision("orders", "o002", {"o001"}, {"c002"}, 2),
      MadeRevision("orders", "o003", {"o002"}, {"f001"}),
      MadeRevision("catalog", "c003", {"c002"}),
  };
  definitions.revisions[4].aliases = {"multi_platform"};
  definitions.releases = {{"v1", "2025-01-01", "", {"c001", "o001"}, {}},
                          {"v2", "2025-02-01", "", {"c002", "f001", "o002"}, {}},
                          {"v3", "2025-03-01", "", {"o003"}, {}}};
  return definitions;
}

}  // namespace lockstep::migration
