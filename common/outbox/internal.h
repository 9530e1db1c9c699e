// Shared by the files of common/outbox only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/outbox/outbox.h"
#include "common/pg/pool.h"

namespace lockstep::outbox::internal {

// What EventFromRow reads.
inline constexpr std::string_view kEventColumns =
    "event_id, sequence, aggregate, kind, payload, created_at, attempts";
Event EventFromRow(const pg::Row& row);

// Runs `sql` ($1 = `keep` in milliseconds, $2 = rows at most) in transactions of its own until it
// deletes nothing.
absl::StatusOr<std::int64_t> DeleteInBatches(pg::Pool& pool, const Context& context,
                                             const std::string& sql, absl::Duration keep,
                                             int batch_size);

}  // namespace lockstep::outbox::internal
