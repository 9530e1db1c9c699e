// The receiving side: an event id is applied once, however often it is delivered.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/pool.h"
#include "common/pg/table_name.h"

namespace lockstep::outbox {

// Runs `function` in `tx` unless `event_id` was applied before, and records it in `table` (S.inbox)
// in the same transaction. Returns whether it ran. A duplicate that arrives meanwhile waits for the
// first transaction: if that rolls back, the duplicate applies the event. When `function` fails,
// its error is returned and `tx` must be rolled back. INVALID_ARGUMENT (EVENT_ID_INVALID) on
// "event_id" when it is not a UUID.
[[nodiscard]] absl::StatusOr<bool> ApplyOnce(pg::Tx& tx, pg::TableName table,
                                             std::string_view event_id, std::string_view source,
                                             const std::function<absl::Status(pg::Tx&)>& function);

// For batches: records all `event_ids` and returns those (lower case) that were not applied before;
// the caller applies exactly these in `tx`. The ids are taken in one order, so that two batches
// cannot deadlock.
[[nodiscard]] absl::StatusOr<std::set<std::string>> ClaimMany(
    pg::Tx& tx, pg::TableName table, std::span<const std::string> event_ids,
    std::string_view source);

// Forgets ids applied longer than `keep` ago, in bounded transactions. `keep` must exceed how long
// a sender may retry.
[[nodiscard]] absl::StatusOr<std::int64_t> PurgeApplied(pg::Pool& pool, const Context& context,
                                                        pg::TableName table, absl::Duration keep,
                                                        int batch_size = 1000);

}  // namespace lockstep::outbox
