// How long a process may act on a lease, by a clock that nobody sets.
//
// A lease ends by database time: `ttl` after the database got the request that renewed it. The
// process cannot see that clock, but it knows when it sent the request, which was earlier; so by
// its own monotonic clock the lease lasts at least until `ttl` after that. What happens before,
// when it is not renewed (times of the default ttl of 15 s):
//
//    0 s   the request that renewed it is sent
//   10 s   kStopping: not ready any more; calls are still answered, so that those who balance load
//          notice (drain, ttl/5 and at most 3 s)
//   13 s   kClosed: pools refuse, idle connections are closed, statements are cancelled; what does
//          not end is cut off (cancel, ttl/10 and at most 1 s)
//   14 s   no connection is left (margin, ttl/10 and at most 1 s: the server needs a moment to
//          notice closed connections, and two clocks run at slightly different speeds)
//   15 s   the lease ends at the earliest
//
// Nothing here looks at the wall clock: setting it, by five minutes or five years, changes nothing.
#pragma once

#include <chrono>
#include <optional>

namespace lockstep::revision_gate {

// A clock for std::chrono that nobody sets and that runs on while the machine is suspended, as the
// database's does; std::chrono::steady_clock stands still then.
struct Monotonic {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Monotonic>;
  static constexpr bool is_steady = true;
  [[nodiscard]] static time_point now() noexcept;
};

// Since the request that renewed the lease was sent.
struct LeaseSchedule {
  Monotonic::duration stop;        // from here on not ready
  Monotonic::duration close;       // from here on no new work in the database
  Monotonic::duration all_closed;  // from here on no connection to the database
};
// Pure. REQUIRES: ttl > 0.
[[nodiscard]] LeaseSchedule ScheduleOf(Monotonic::duration ttl);

enum class LeasePhase { kServing, kStopping, kClosed };

// Not thread-safe. Times are arguments, so that tests need not wait.
class LeaseClock final {
 public:
  explicit LeaseClock(Monotonic::duration ttl) : schedule_(ScheduleOf(ttl)) {}

  // The lease was granted or renewed by a request that was sent at `sent_at`. Answers may come in
  // another order than their requests were sent: an older one changes nothing.
  void Renew(Monotonic::time_point sent_at);
  // kClosed before the first Renew().
  [[nodiscard]] LeasePhase At(Monotonic::time_point now) const;
  // When At() answers differently unless the lease is renewed; nullopt: never.
  [[nodiscard]] std::optional<Monotonic::time_point> NextChange(Monotonic::time_point now) const;
  // When the last connection has to be closed. REQUIRES: Renew() was called.
  [[nodiscard]] Monotonic::time_point AllClosedBy() const {
    return *sent_at_ + schedule_.all_closed;
  }
  [[nodiscard]] bool is_granted() const { return sent_at_.has_value(); }

 private:
  const LeaseSchedule schedule_;
  std::optional<Monotonic::time_point> sent_at_;
};

}  // namespace lockstep::revision_gate
