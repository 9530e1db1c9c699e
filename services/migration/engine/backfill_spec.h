// BackfillSpec of revision.textproto: message to value, every field checked. Pure; internal to
// spec_reader.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lockstep/migration/v1/revision_spec.pb.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

using RefuseBackfill = std::function<void(const char* code, std::string message)>;

// What is wrong goes to `refuse`, all of it.
Backfill ReadBackfillSpec(const v1::BackfillSpec& from, std::string_view service,
                          const RefuseBackfill& refuse);

}  // namespace lockstep::migration
