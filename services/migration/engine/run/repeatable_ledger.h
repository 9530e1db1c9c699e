// What the ledger knows of repeatable definitions, and the SQL that records it. Everything runs as
// the migrator, not in an owner's role.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {

// A query whose result RepeatablesFrom() reads: one row per object, or one for a definition
// without.
std::string RepeatableStateSql();
std::map<std::string, AppliedRepeatable, std::less<>> RepeatablesFrom(const pg::Result& rows);

// A body as it is or was applied.
struct RepeatableBody {
  std::string service;
  std::string name;
  std::string body;
  std::vector<std::string> heads = {};  // "service@revision", applied completely at the time
  bool is_vanished = false;             // its file was gone then

  std::string key() const { return service + "/" + name; }
};
// What is applied now, by key.
absl::StatusOr<std::vector<RepeatableBody>> LoadAppliedBodies(pg::Connection& connection);
// Every body that ever was of the definitions that are set aside, newest first.
absl::StatusOr<std::vector<RepeatableBody>> LoadBodiesOfSetAside(pg::Connection& connection);

// Whether the server still has what was applied: one result per object, under the id
// "repeatable:service/name". Only reads.
absl::StatusOr<std::vector<VerificationResult>> CheckRepeatables(pg::Connection& connection);

std::string RecordRepeatableSql(const RunSql& run, const Repeatable& repeatable,
                                const std::vector<std::string>& heads);
// `is_vanished`: nothing is left of it in the files.
std::string DropRepeatableSql(const RunSql& run, std::string_view service, std::string_view name,
                              bool is_vanished, const std::vector<std::string>& heads);
std::string SetAsideRepeatableSql(const RunSql& run, std::string_view service,
                                  std::string_view name);
// Definitions of `services` whose files vanished count as set aside, so that what
// follows the undos decides about them as well.
std::string RememberVanishedSql(const RunSql& run, const std::vector<std::string>& services);
// The query for those: columns service, name.
std::string VanishedSql(const std::vector<std::string>& services);
std::string ForgetRepeatableSql(const RunSql& run, std::string_view service, std::string_view name);

}  // namespace lockstep::migration
