// What a build of a service needs of the database. Plain values, no I/O.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace lockstep::migration {

// How a build uses the schemas of one service.
struct SchemaUse {
  std::string service;            // owner of the schemas
  std::string required_revision;  // oldest with which the build works; "" = any
  std::string built_for;          // newest against which it was built; "" = none

  friend bool operator==(const SchemaUse&, const SchemaUse&) = default;
};

// Generated when the service is built; sent when an instance registers.
struct BuildManifest {
  std::string service;
  std::string build;            // MAJOR.MINOR.PATCH
  std::vector<SchemaUse> uses;  // by service, its own included
  // "schema.relation" and "schema.relation.column"; may hold more than is used, never less.
  // Empty: nobody knows.
  std::set<std::string, std::less<>> footprint;

  friend bool operator==(const BuildManifest&, const BuildManifest&) = default;
};

}  // namespace lockstep::migration
