// The plumbing tables of orders.
#pragma once

#include "common/maintenance/plumbing.h"

namespace lockstep::orders {

inline constexpr maintenance::PlumbingTables kPlumbing{
    .request_results = "transactions.request_results",
    .outbox = "transactions.outbox",
    .inbox = "transactions.inbox",
    .signing_keys = "transactions.signing_keys"};

}  // namespace lockstep::orders
