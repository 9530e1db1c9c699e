// The body that a receiver gets for one event of a run.
#pragma once

#include <string>

#include "services/migration/engine/run/events.h"

namespace lockstep::migration::webhook {

// The run that an event belongs to.
struct RunFacts {
  std::string kind;    // upgrade, downgrade, ...
  std::string target;  // as it was given
  std::string actor;
};

// "<run>/<offset>": the same however often an event is sent.
[[nodiscard]] std::string EventId(const RunEvent& event);

// Details above this are left out: a receiver that wants them asks for the run.
inline constexpr std::size_t kMostDetailBytes = 64 << 10;

// One JSON object: version, id, kind, time, run {id, kind, target, actor}, revision, step,
// step_name, message, details. Unless `with_statements`, the SQL of sessions that hold locks is
// left out of details and message: it may quote data. Pure.
[[nodiscard]] std::string BodyOf(const RunEvent& event, const RunFacts& run, bool with_statements);

}  // namespace lockstep::migration::webhook
