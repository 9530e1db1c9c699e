#include "common/outbox/inbox.h"

#include <vector>

#include "common/ids/uuid.h"
#include "common/outbox/internal.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::outbox {
namespace {

absl::StatusOr<std::string> NormalId(std::string_view event_id) {
  const absl::StatusOr<ids::Uuid> uuid = ids::Uuid::Parse(event_id);
  if (!uuid.ok()) {
    return InvalidField("event_id", "EVENT_ID_INVALID",
                        "must be a UUID (8-4-4-4-12 hexadecimal digits)");
  }
  return uuid->text();
}

}  // namespace

absl::StatusOr<bool> ApplyOnce(pg::Tx& tx, pg::TableName table, std::string_view event_id,
                               std::string_view source,
                               const std::function<absl::Status(pg::Tx&)>& function) {
  ASSIGN_OR_RETURN(const std::string id, NormalId(event_id));
  // Waits while another transaction that recorded the same id is open.
  ASSIGN_OR_RETURN(const std::int64_t inserted,
                   tx.Execute("INSERT INTO " + table.text() +
                                  " (event_id, source) VALUES ($1::uuid, $2)"
                                  " ON CONFLICT (event_id) DO NOTHING",
                              id, source));
  if (inserted == 0) return false;
  RETURN_IF_ERROR(function(tx));
  return true;
}

absl::StatusOr<std::set<std::string>> ClaimMany(pg::Tx& tx, pg::TableName table,
                                                std::span<const std::string> event_ids,
                                                std::string_view source) {
  std::set<std::string> sorted;
  for (const std::string& event_id : event_ids) {
    ASSIGN_OR_RETURN(std::string id, NormalId(event_id));
    sorted.insert(std::move(id));
  }
  const std::vector<std::string> ids(sorted.begin(), sorted.end());
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Query("INSERT INTO " + table.text() +
                                " (event_id, source)"
                                " SELECT id, $2::text FROM unnest($1::uuid[]) AS id ORDER BY id"
                                " ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
                            pg::ArrayLiteral(ids), source));
  std::set<std::string> claimed;
  for (const pg::Row row : rows) claimed.insert(row.Text("event_id"));
  return claimed;
}

absl::StatusOr<std::int64_t> PurgeApplied(pg::Pool& pool, const Context& context,
                                          pg::TableName table, absl::Duration keep,
                                          int batch_size) {
  return internal::PurgeOlder(pool, context, table, "applied_at", keep, batch_size);
}

}  // namespace lockstep::outbox
