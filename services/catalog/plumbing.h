// The plumbing tables of the catalog.
#pragma once

#include "common/maintenance/plumbing.h"

namespace lockstep::catalog {

inline constexpr maintenance::PlumbingTables kPlumbing{.request_results = "core.request_results",
                                                       .outbox = "core.outbox",
                                                       .inbox = "core.inbox",
                                                       .signing_keys = "core.signing_keys"};

}  // namespace lockstep::catalog
