// The plumbing tables of finance.
#pragma once

#include "common/maintenance/plumbing.h"

namespace lockstep::finance {

inline constexpr maintenance::PlumbingTables kPlumbing{.request_results = "finance.request_results",
                                                       .outbox = "finance.outbox",
                                                       .inbox = "finance.inbox",
                                                       .signing_keys = "finance.signing_keys"};

}  // namespace lockstep::finance
