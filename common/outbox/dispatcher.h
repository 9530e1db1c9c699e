// Delivers the events of an outbox to another service, at least once and in order inside each
// aggregate.
//
// One thread claims a batch of events in a short transaction (FOR UPDATE SKIP LOCKED, then a lease
// in next_attempt_at), hands it to the delivery function outside any transaction, and marks each
// event by its answer. A batch holds at most one event of an aggregate: its oldest pending one; the
// next becomes eligible when that one is delivered or dead. Several dispatchers in several
// processes may share a table.
//
// A process that dies between delivery and marking leaves the lease to run out; then the event is
// delivered again, with the same id: receivers apply ids once (inbox.h). The same covers a
// dispatcher that is slower than its lease.
//
// Failures: INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, ALREADY_EXISTS, OUT_OF_RANGE,
// PERMISSION_DENIED and UNIMPLEMENTED are the receiver's considered refusal and make a dead letter
// after `permanent_attempts`; everything else is taken for passing and is repeated `max_attempts`
// times, with exponential backoff and jitter. A dead letter releases its aggregate: later events
// are facts too, and holding them back would turn one refused event into a growing gap.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/outbox/outbox.h"
#include "common/pg/pool.h"
#include "common/pg/table_name.h"

namespace lockstep::outbox {

// Delivers events of distinct aggregates; returns one status for each, in order. Must return soon
// after its context is cancelled or its deadline has passed. Called on one thread at a time.
using DeliverBatch =
    std::function<std::vector<absl::Status>(const Context&, std::span<const Event>)>;
// The same one by one.
[[nodiscard]] DeliverBatch EachEvent(
    std::function<absl::Status(const Context&, const Event&)> deliver);

enum class Outcome { kDelivered, kWillRetry, kDead };

struct DispatcherOptions {
  int batch_size = 500;
  absl::Duration poll_interval = absl::Seconds(1);  // how soon events of other processes are found
  absl::Duration delivery_timeout =
      absl::Seconds(20);  // deadline of the delivery function's context
  // How long a claimed batch is left alone by others. Must exceed delivery_timeout.
  absl::Duration lease = absl::Seconds(30);
  absl::Duration backoff_initial =
      absl::Milliseconds(200);  // doubles with each attempt; jitter takes off up to half
  absl::Duration backoff_max = absl::Seconds(30);
  int permanent_attempts = 3;
  int max_attempts =
      10'000;  // about three days at backoff_max: an outage is not a reason to lose events
  // Called for each event after it was marked, for logs and metrics; on the dispatcher's thread.
  std::function<void(const Event&, const absl::Status&, Outcome)> on_outcome = nullptr;
};

class Dispatcher {
 public:
  // `pool` must outlive it.
  Dispatcher(pg::Pool& pool, pg::TableName table, DeliverBatch deliver,
             DispatcherOptions options = {});
  // Stop().
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Starts the thread. Call once.
  void Start();
  // Says that events were committed. Cheap, thread-safe; call it after the transaction.
  void Notify();
  // Lets the batch in flight finish for at most `grace`, then cancels its context; what was not
  // acknowledged goes back to the queue at once. Thread-safe, may be called again.
  void Stop(absl::Duration grace = absl::Seconds(5));

  // One batch on the caller's thread: claim, deliver, mark. Returns how many events were claimed
  // and delivered. REQUIRES: not started.
  struct BatchResult {
    int claimed = 0;
    int delivered = 0;
  };
  [[nodiscard]] absl::StatusOr<BatchResult> RunOnce(const Context& context);

  struct Stats {
    std::int64_t delivered = 0, retried = 0, dead = 0;  // since the start of this process
  };
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::outbox
