// What bounds one piece of work: a deadline, and a way to be told that nobody waits for the result
// any more.
//
// A `Context` is made for each RPC (common/rpc) or background job, and handed down to everything
// that waits. Copies share one state. Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace lockstep {

class Context {
 public:
  // Never cancelled unless Cancel() is called; ends at `deadline` (absl::InfiniteFuture() = never).
  static Context WithDeadline(absl::Time deadline);
  static Context WithTimeout(absl::Duration timeout);

  absl::Time deadline() const;
  // Time left, never negative.
  absl::Duration remaining() const;
  bool is_cancelled() const;
  // OK, CANCELLED (CALL_CANCELLED) or DEADLINE_EXCEEDED (DEADLINE_PASSED).
  [[nodiscard]] absl::Status Check() const;

  // Cancels the work: runs the callbacks that are registered, on this thread. Later calls do
  // nothing.
  void Cancel() const;

  // Runs `callback` when the context is cancelled, at once if it already is. It must be quick and
  // must not block. The callback is taken back when the returned registration ends; it does not run
  // after that.
  class Registration {
   public:
    Registration() = default;
    Registration(Registration&&) noexcept = default;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration();

   private:
    friend class Context;
    struct Entry;
    std::shared_ptr<Entry> entry_;
  };
  [[nodiscard]] Registration OnCancel(std::function<void()> callback) const;

 private:
  struct State;
  explicit Context(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;  // Shared by the copies and by the registrations.
};

}  // namespace lockstep
