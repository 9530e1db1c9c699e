// Places where a test may kill the process, to prove that it recovers.
//
//   killpoint::Killpoint("step_committed");
//
// Off, unless the environment says otherwise; then a call costs one relaxed atomic load. Read once,
// at first use:
//   LOCKSTEP_KILLPOINT=name[:n]     the n-th hit (default 1) of that name sends the signal
//   LOCKSTEP_KILLPOINT_SIGNAL=KILL  or STOP (goes on after SIGCONT) or TERM
//   LOCKSTEP_KILLPOINT_RECORD=file  the name of every hit is appended to the file, one a line,
//   before the signal
// A value that cannot be understood ends the process with exit code 78, so that no test passes
// because of a typing error.
#pragma once

#include <atomic>
#include <string_view>

namespace lockstep::killpoint {

namespace internal {
enum class State { kUnread, kOff, kOn };
extern std::atomic<State> state;
void Hit(std::string_view name);
}  // namespace internal

// Reads the environment now. For main(), before there are threads; otherwise the first hit does it.
// Thread-safe.
void Init();

// Thread-safe.
inline void Killpoint(std::string_view name) {
  if (internal::state.load(std::memory_order_relaxed) == internal::State::kOff) return;
  internal::Hit(name);
}

}  // namespace lockstep::killpoint

namespace lockstep {
using killpoint::Killpoint;
}  // namespace lockstep
