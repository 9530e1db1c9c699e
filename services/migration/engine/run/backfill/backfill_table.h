// The table of a backfill as the catalog knows it, and ranges of its key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

// The values of the key columns of one row, as text.
using KeyValues = std::vector<std::string>;

// Keys from `lo` to `hi`, both included.
struct KeyRange {
  KeyValues lo;
  KeyValues hi;
};

struct BackfillTable {
  const Backfill* backfill = nullptr;
  std::vector<std::string> key_types;   // as format_type() writes them
  std::vector<std::string> set_types;   // of backfill->set
  std::vector<std::string> back_types;  // of backfill->set_back
  std::int64_t oid = 0;
  std::int64_t rows = 0;  // about, for progress
};

// FAILED_PRECONDITION (BACKFILL_INVALID): no such table or column, a key that is not unique, may be
// NULL, or is of a type whose text does not stand for it.
absl::StatusOr<BackfillTable> LoadBackfillTable(pg::Connection& connection,
                                                const Backfill& backfill);

// A key as an SQL expression: '4711'::bigint, or ROW('a'::text, '1'::integer).
std::string KeyLiteral(const BackfillTable& table, const KeyValues& key);
// "\"id\" >= '1'::bigint AND \"id\" <= '9'::bigint"
std::string InRangeSql(const BackfillTable& table, const KeyRange& range);

// The first and the last key of the table; nullopt when it is empty.
absl::StatusOr<std::optional<KeyRange>> LoadBounds(pg::Connection& connection,
                                                   const BackfillTable& table);
// `whole` in at most `parts` ranges of about equal numbers of rows, which together hold every key
// of the table that is in it.
absl::StatusOr<std::vector<KeyRange>> SplitRange(pg::Connection& connection,
                                                 const BackfillTable& table, const KeyRange& whole,
                                                 int parts);

// What comes next in a range.
struct NextBatch {
  std::int64_t rows = 0;          // 0: no key is left in the range
  KeyRange range;                 // of the batch
  std::optional<KeyValues> next;  // first key after it; nullopt: it was the last
};
// SQL for at most `limit` keys from the start of `left`, and its reader.
std::string NextBatchSql(const BackfillTable& table, const KeyRange& left, int limit);
NextBatch ReadNextBatch(const BackfillTable& table, const KeyRange& left, int limit,
                        const pg::Result& rows);

}  // namespace lockstep::migration
