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
#include "common/pg/table_name.h"

namespace lockstep::outbox::internal {

// What EventFromRow reads.
inline constexpr std::string_view kEventColumns =
    "event_id, sequence, aggregate, kind, payload, created_at, attempts";
Event EventFromRow(const pg::Row& row);

// Deletes the rows of `table` whose time in `column`, a constant of the program, is longer than
// `keep` ago, in transactions of at most `batch_size` rows, until none is left or the context ends.
// Rows without that time stay.
absl::StatusOr<std::int64_t> PurgeOlder(pg::Pool& pool, const Context& context, pg::TableName table,
                                        std::string_view column, absl::Duration keep,
                                        int batch_size);

}  // namespace lockstep::outbox::internal
