// `lockstep new SERVICE "title"`: the folder of a new revision, ready to be filled in.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

struct NewRevision {
  std::string id;      // 12 hex digits
  std::string folder;  // relative to the migrations folder
};

// 12 random hex digits that no revision of `definitions` has.
std::string NewRevisionId(const Definitions& definitions);

// Creates <service>/<id>_<slug>/ with revision.textproto (parent = the service's head), up.sql,
// down.sql and verify.sql that say what belongs into them. The result loads only after they are
// filled in: an empty step is refused. INVALID_ARGUMENT (SERVICE_UNKNOWN, TITLE_INVALID);
// FAILED_PRECONDITION (SEVERAL_HEADS); INTERNAL (FOLDER_NOT_WRITTEN).
[[nodiscard]] absl::StatusOr<NewRevision> CreateRevision(const Definitions& definitions,
                                                         std::string_view service,
                                                         std::string_view title,
                                                         absl::CivilDay created);

// "orders: shipping insurance" -> "orders_shipping_insurance"; at most 40 characters.
std::string SlugOf(std::string_view title);

}  // namespace lockstep::migration
