// What was proven, in the ledger.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/catalog/catalog_image.h"
#include "services/migration/engine/run/scratch/rehearse.h"

namespace lockstep::migration {

absl::Status RecordRehearsal(pg::Connection& connection, const std::string& actor,
                             const RehearsalReport& report);

// Checksums of revisions whose newest rehearsal went well.
absl::StatusOr<std::set<std::string>> RehearsedChecksums(pg::Connection& connection);

// What the state should look like; nullopt = nobody has built it.
absl::StatusOr<std::optional<CatalogImage>> LoadExpectation(pg::Connection& connection,
                                                            const std::string& state);
// Keeps it in place of those of other states.
absl::Status KeepExpectation(pg::Connection& connection, const std::string& state,
                             const CatalogImage& image);

}  // namespace lockstep::migration
