// Counters of use as evidence for a soak (soak.h): whether somebody used what goes, as far as the
// server's statistics can say.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "nlohmann/json_fwd.hpp"

namespace lockstep::migration {

// What the counters of these tables ("schema.table") say now, and what would make them lie: start
// and timeline of the server, reset of the statistics, standbys, where reads are not counted.
absl::StatusOr<nlohmann::json> CountUse(pg::Connection& connection,
                                        const std::vector<std::string>& tables);

// Why a soak starts again, from what CountUse() said before and says now; "" = it goes on.
// `ours_used`: something of ours used the tables meanwhile, so that moving counters prove nothing.
std::string Disturbance(const nlohmann::json& before, const nlohmann::json& now, bool ours_used);

// A standby that goes and comes back is no other one: adds those of `before` to `now`.
void KeepStandbys(const nlohmann::json& before, nlohmann::json& now);

}  // namespace lockstep::migration
