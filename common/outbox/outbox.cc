#include "common/outbox/outbox.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/ids/uuid.h"
#include "common/outbox/internal.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::outbox {
namespace {

// How much text of a COPY is built before it is sent: memory stays bounded for an import of any
// size.
constexpr std::size_t kCopyBytes = std::size_t{1} << 20;

absl::Status Check(const NewEvent& event) {
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (!event.aggregate.empty() && !event.kind.empty() && !has_nul(event.aggregate) &&
      !has_nul(event.kind) && !has_nul(event.payload)) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, "OUTBOX_EVENT_INVALID",
               "an event needs an aggregate and a kind, and no text of it may contain U+0000");
}

}  // namespace

namespace internal {

Event EventFromRow(const pg::Row& row) {
  Event event;
  event.event_id = row.Text("event_id");
  event.sequence = row.Get<std::int64_t>("sequence");
  event.aggregate = row.Text("aggregate");
  event.kind = row.Text("kind");
  event.payload = row.Text("payload");
  event.created_at = row.Get<absl::Time>("created_at");
  event.attempts = row.Get<std::int32_t>("attempts");
  return event;
}

absl::StatusOr<std::int64_t> PurgeOlder(pg::Pool& pool, const Context& context, pg::TableName table,
                                        std::string_view column, absl::Duration keep,
                                        int batch_size) {
  const std::string name = table.text();
  const std::string sql = "DELETE FROM " + name + " WHERE event_id IN (SELECT event_id FROM " +
                          name + " WHERE " + std::string(column) +
                          " < now() - $1::bigint * interval '1 millisecond'"
                          " LIMIT $2::integer FOR UPDATE SKIP LOCKED)";
  std::int64_t total = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const std::int64_t deleted, pool.Write(context, [&](pg::Tx& tx) {
      return tx.Execute(sql, absl::ToInt64Milliseconds(keep), std::max(1, batch_size));
    }));
    total += deleted;
    if (deleted == 0) return total;
  }
}

}  // namespace internal

absl::Status Append(pg::Tx& tx, pg::TableName table, const NewEvent& event) {
  RETURN_IF_ERROR(Check(event));
  return tx
      .Execute(
          "INSERT INTO " + table.text() + " (aggregate, kind, payload) VALUES ($1, $2, $3::jsonb)",
          event.aggregate, event.kind, event.payload)
      .status();
}

absl::Status AppendMany(pg::Tx& tx, pg::TableName table, std::span<const NewEvent> events) {
  for (const NewEvent& event : events) RETURN_IF_ERROR(Check(event));
  const std::string copy = "COPY " + table.text() + " (aggregate, kind, payload) FROM STDIN";
  std::string lines;
  for (std::size_t i = 0; i < events.size(); ++i) {
    pg::AppendCopyField(lines, events[i].aggregate);
    lines += '\t';
    pg::AppendCopyField(lines, events[i].kind);
    lines += '\t';
    pg::AppendCopyField(lines, events[i].payload);
    lines += '\n';
    if (lines.size() < kCopyBytes && i + 1 < events.size()) continue;
    RETURN_IF_ERROR(tx.CopyIn(copy, lines).status());
    lines.clear();
  }
  return absl::OkStatus();
}

absl::StatusOr<Lag> ReadLag(pg::Tx& tx, pg::TableName table) {
  // clock_timestamp(), because the transaction may have waited; never negative, should clocks be
  // set back.
  ASSIGN_OR_RETURN(
      const pg::Row row,
      tx.One("SELECT count(*) AS pending, coalesce(greatest(0, (extract(epoch FROM"
             " clock_timestamp() - min(created_at)) * 1000000)::bigint), 0) AS oldest_us FROM " +
             table.text() + " WHERE delivered_at IS NULL AND dead_at IS NULL"));
  Lag lag;
  lag.pending = row.Get<std::int64_t>("pending");
  lag.oldest = absl::Microseconds(row.Get<std::int64_t>("oldest_us"));
  return lag;
}

absl::StatusOr<std::vector<DeadLetter>> DeadLetters(pg::Tx& tx, pg::TableName table, int limit) {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx.Query("SELECT " + std::string(internal::kEventColumns) +
                   ", dead_at, coalesce(last_error, '') AS last_error FROM " + table.text() +
                   " WHERE dead_at IS NOT NULL ORDER BY sequence LIMIT $1::integer",
               std::max(0, limit)));
  std::vector<DeadLetter> letters;
  for (const pg::Row row : rows) {
    letters.push_back(DeadLetter{internal::EventFromRow(row), row.Get<absl::Time>("dead_at"),
                                 row.Text("last_error")});
  }
  return letters;
}

absl::Status Revive(pg::Tx& tx, pg::TableName table, std::string_view event_id) {
  if (const auto id = ids::Uuid::Parse(event_id); id.ok()) {
    ASSIGN_OR_RETURN(const std::int64_t updated,
                     tx.Execute("UPDATE " + table.text() +
                                    " SET dead_at = NULL, attempts = 0, next_attempt_at = now()"
                                    " WHERE event_id = $1::uuid AND dead_at IS NOT NULL",
                                id->text()));
    if (updated == 1) return absl::OkStatus();
  }
  return Error(absl::StatusCode::kNotFound, "DEAD_LETTER_NOT_FOUND",
               "there is no dead letter with this event id");
}

absl::StatusOr<std::int64_t> PurgeDelivered(pg::Pool& pool, const Context& context,
                                            pg::TableName table, absl::Duration keep,
                                            int batch_size) {
  return internal::PurgeOlder(pool, context, table, "delivered_at", keep, batch_size);
}

}  // namespace lockstep::outbox
