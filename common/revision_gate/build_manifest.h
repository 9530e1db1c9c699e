// What a build of a service needs of the database. Generated when the service is built
// (lockstep_manifest of common/cmake/LockstepTargets.cmake), told to the migration service when an
// instance registers.
#pragma once

#include <string>
#include <vector>

namespace lockstep::revision_gate {

// How a build uses the schemas of one service.
struct SchemaUse {
  std::string service;            // owner of the schemas
  std::string required_revision;  // id of the oldest with which the build works; "" = any
  std::string built_for;          // id of the newest against which it was built; "" = none
};

struct BuildManifest {
  // Of all required revisions the one that is applied last: an instance waits for it.
  std::string required_revision = {};
  std::vector<SchemaUse> uses = {};  // by service, its own included
  // "schema.relation" and "schema.relation.column", sorted. Empty: nobody knows.
  std::vector<std::string> footprint = {};
};

}  // namespace lockstep::revision_gate
