// The plumbing tables, which every service has in a schema of its own, and what keeps them small.
#pragma once

#include <vector>

#include "common/maintenance/maintenance.h"
#include "common/pg/pool.h"
#include "common/pg/table_name.h"

namespace lockstep::maintenance {

// Constants of a service.
struct PlumbingTables {
  pg::TableName request_results;  // common/request_id
  pg::TableName outbox;           // common/outbox: events to other services
  pg::TableName inbox;            // common/outbox: ids of events of other services
  pg::TableName signing_keys;     // common/paging
};

// Removes kept answers that have expired, events that were delivered 30 days ago, and ids of events
// that were applied 90 days ago, which is longer than any sender goes on repeating. Events that are
// pending or dead stay. `pool` must outlive the tasks.
[[nodiscard]] std::vector<Task> PurgePlumbing(pg::Pool& pool, const PlumbingTables& tables);

}  // namespace lockstep::maintenance
