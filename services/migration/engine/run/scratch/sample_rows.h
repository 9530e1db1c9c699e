// Rows for a scratch database, and whether they are still what they were.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/catalog/catalog_image.h"

namespace lockstep::migration {

inline constexpr std::int64_t kSampleRows = 10'000;

struct Sample {
  std::int64_t rows = 0;
  int tables = 0;
  std::vector<std::string> cut;      // tables of which only a part came
  std::vector<std::string> skipped;  // tables that could not be copied, with the reason
};

// Copies up to kSampleRows rows of every table of the owned schemas, and where sequences stand.
// Only reads from `live`, one table at a time, and waits for nobody there. Foreign keys and
// triggers do not see the copies, so that a part of a table can be taken. PERMISSION_DENIED
// (SAMPLE_NOT_PERMITTED) unless `scratch` may switch those off.
absl::StatusOr<Sample> CopySample(const Context& context, pg::Connection& live,
                                  pg::Connection& scratch);

// Adds an object "rows" for every table: how many, and a hash of each column's values that does not
// depend on their order.
absl::Status AddRows(pg::Connection& connection, CatalogImage& image);

}  // namespace lockstep::migration
