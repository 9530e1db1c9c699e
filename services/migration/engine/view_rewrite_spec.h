// ViewRewriteSpec of revision.textproto: message to value, every field checked. Pure; internal to
// spec_reader.
#pragma once

#include <functional>
#include <string>

#include "lockstep/migration/v1/revision_spec.pb.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

// What is wrong goes to `refuse`, all of it.
ViewRewrite ReadViewRewriteSpec(const v1::ViewRewriteSpec& from,
                                const std::function<void(std::string message)>& refuse);

}  // namespace lockstep::migration
