// The gate of a CONTRACT revision: who keeps it closed.
//
// It is open when every build in use was built for the shape that stays (compatibility.h), and when
// nobody is connected as an application that might use what goes without being a live instance of
// such a build: a session belongs to the instance whose tag is the last word of its
// application_name. All times are the database's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"
#include "nlohmann/json_fwd.hpp"
#include "services/migration/engine/compatibility.h"
#include "services/migration/engine/graph.h"

namespace lockstep::migration {

// A session of an application's role that belongs to no live instance.
struct Stranger {
  int pid = 0;
  std::string role;              // "orders_app"
  std::string application_name;  // "" = hidden or not set
  std::string client;            // address; "" = a local socket
  std::optional<absl::Time> connected_at;

  std::string text() const;
};

// What one look at a gate found.
struct GateState {
  std::vector<Violation> violations;
  std::vector<Stranger> strangers;
  std::vector<std::string> known;  // keys of the builds that were looked at (begin_contract)
  std::vector<BuildInUse> builds;  // these builds

  bool is_open() const { return violations.empty() && strangers.empty(); }
  // One line for each that keeps it closed.
  std::vector<std::string> lines() const;
  // The same for programs, and who was found compatible: evidence.
  nlohmann::json ToJson() const;
};

// How far the soak of a revision is.
struct SoakInfo {
  absl::Time started_at;  // of this attempt
  int restarts = 0;       // how often it began again
  absl::Duration needs;   // all of it
  absl::Duration passed;
  bool is_met = false;
};

// A CONTRACT revision that is not applied, for `gates`.
struct GateInfo {
  std::string revision;
  std::string service;
  std::string title;
  std::vector<std::string> objects;  // what goes, as far as the parser sees
  GateState state;
  std::optional<SoakInfo> soak;  // nullopt = it has not begun
  absl::Duration soak_needs;     // that the revision declares, or the engine as the least
};

// A build that registered at least once.
struct BuildInfo {
  BuildManifest manifest;
  absl::Time first_seen_at;
  absl::Time last_seen_at;
  int live_instances = 0;
  std::optional<absl::Time> kept_at;  // as a rollback candidate; nullopt = it is not
  std::string kept_by;                // "" likewise
  std::string kept_reason;
};

// Looks at the gate of the revision at `position`.
absl::StatusOr<GateState> LookAtGate(pg::Connection& connection, const Graph& graph,
                                     std::size_t position);

}  // namespace lockstep::migration
