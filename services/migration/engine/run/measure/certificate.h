// What a step was seen to do on a scratch database, kept so that a run can tell when reality is
// worse. Plain values and pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"
#include "services/migration/engine/run/measure/meter.h"

namespace lockstep::migration {

// What one step of a run cost.
struct StepMeasurement {
  std::string revision;
  int ordinal = 0;
  Measurement measurement;
};

struct StepCertificate {
  std::string revision;
  int ordinal = 0;
  std::string step_name;
  std::string checksum;  // Step::checksum: another text needs another certificate
  // It cannot run in a transaction: its locks were looked at while it worked, and what it read is
  // not known.
  bool is_alone = false;
  std::vector<RelationCost> relations;
  // Rows that the tables among them had before, by name.
  std::map<std::string, std::int64_t> rows = {};
  absl::Duration took = absl::ZeroDuration();
  int server_version = 0;  // major
  absl::Time measured_at = absl::InfinitePast();

  // The strongest lock on anything that was there; nullopt: none.
  std::optional<LockMode> strongest() const;
};

// By revision and ordinal of the step.
using StepCertificates = std::map<std::pair<std::string, int>, StepCertificate>;

// What is worse than certified, for a person: a stronger lock, or one on a relation that had none;
// a table written anew, an index built anew. Empty: nothing. Locks weaker than SHARE UPDATE
// EXCLUSIVE are those of every query, and depend on the rows that triggers and keys lead to; they
// do not count. What is part of a certified relation may be held like it: partitions come and go.
std::vector<std::string> WorseThan(const StepCertificate& certificate,
                                   const std::vector<RelationCost>& real);

// "core.orders ACCESS EXCLUSIVE, core.platforms SHARE ROW EXCLUSIVE": of tables and views the locks
// that keep somebody waiting, strongest first; "" = none.
std::string LocksText(const std::vector<RelationCost>& relations);
// "core.orders" for each table that is written anew.
std::vector<std::string> RewrittenTables(const std::vector<RelationCost>& relations);

// As the ledger keeps them.
nlohmann::json RelationsToJson(const StepCertificate& certificate);
// Fills relations and rows. What it does not know it leaves out.
void RelationsFromJson(const nlohmann::json& json, StepCertificate& certificate);

}  // namespace lockstep::migration
