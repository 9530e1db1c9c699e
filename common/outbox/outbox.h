// Events for other services, written in the transaction that makes them true.
//
// Order: events of one aggregate are delivered in the order of `sequence`. That is the order of
// commit only if transactions on one aggregate exclude each other, so lock the aggregate's row (or
// change it) BEFORE appending.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/pool.h"
#include "common/pg/table_name.h"

namespace lockstep::outbox {

struct NewEvent {
  std::string aggregate;  // what the event is about, for example "inventoryItems/<uuid>"; order is
                          // kept inside it
  std::string kind;       // "item_sold"
  std::string payload;    // a JSON document
};

// An event as a dispatcher hands it out.
struct Event {
  std::string event_id;  // UUID; receivers apply it once
  std::int64_t sequence = 0;
  std::string aggregate;
  std::string kind;
  std::string payload;
  absl::Time created_at;
  int attempts = 0;  // this one included
};

// Adds one event to `table` (S.outbox). INVALID_ARGUMENT (OUTBOX_EVENT_INVALID) for an empty
// aggregate or kind, U+0000 anywhere; INVALID_ARGUMENT from PostgreSQL when the payload is not
// JSON.
[[nodiscard]] absl::Status Append(pg::Tx& tx, pg::TableName table, const NewEvent& event);

// Adds any number of events with one COPY; they keep their order. Errors as Append.
[[nodiscard]] absl::Status AppendMany(pg::Tx& tx, pg::TableName table,
                                      std::span<const NewEvent> events);

// How far delivery is behind.
struct Lag {
  std::int64_t pending = 0;  // neither delivered nor dead
  absl::Duration oldest =
      absl::ZeroDuration();  // age of the oldest pending event, by the database's clock
};
[[nodiscard]] absl::StatusOr<Lag> ReadLag(pg::Tx& tx, pg::TableName table);

// An event that is not tried any more, see Dispatcher.
struct DeadLetter {
  Event event;
  absl::Time dead_at;
  std::string last_error;
};
// The oldest `limit` dead letters.
[[nodiscard]] absl::StatusOr<std::vector<DeadLetter>> DeadLetters(pg::Tx& tx, pg::TableName table,
                                                                  int limit);
// Puts a dead letter back into the queue, with a fresh count of attempts. It then comes before
// everything of its aggregate that is still pending, and after what was delivered meanwhile.
// NOT_FOUND (DEAD_LETTER_NOT_FOUND).
[[nodiscard]] absl::Status Revive(pg::Tx& tx, pg::TableName table, std::string_view event_id);

// Deletes events that were delivered longer than `keep` ago, in bounded transactions, until none is
// left or the context ends. Dead letters stay. Returns how many went.
[[nodiscard]] absl::StatusOr<std::int64_t> PurgeDelivered(pg::Pool& pool, const Context& context,
                                                          pg::TableName table, absl::Duration keep,
                                                          int batch_size = 1000);

}  // namespace lockstep::outbox
