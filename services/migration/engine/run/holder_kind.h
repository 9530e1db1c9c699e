// What kind of session holds a lock that a step waits for: it decides whether waiting helps, and
// what a person can do about it. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace lockstep::migration {

enum class HolderKind {
  kOrdinary,             // a session that is at work
  kIdleInTransaction,    // its client does nothing and keeps the transaction open
  kDump,                 // pg_dump
  kVacuum,               // an autovacuum worker: it makes way by itself after deadlock_timeout
  kWraparoundVacuum,     // an autovacuum worker against wraparound: it does not make way
  kWalsender,            // replication, or a base backup
  kPreparedTransaction,  // of two-phase commit: no session belongs to it
};

// "idle_in_transaction", as events and --cancel-blockers spell it.
std::string_view ToText(HolderKind kind);

// The kinds that a policy may name: ordinary, idle_in_transaction, dump, wraparound_vacuum. The
// others either make way by themselves or cannot be ended without harm. nullopt: no such kind.
std::optional<HolderKind> CancellableKind(std::string_view text);

// The columns of pg_stat_activity that tell the kind. Empty texts where the server hides them.
struct SessionTraits {
  std::string_view backend_type;
  std::string_view application;
  std::string_view state;
  std::string_view query;
  absl::Duration in_state;  // since when it is in `state`
};

// An application's transaction is idle for moments between two statements; that is no reason to
// wait for it as for one that was forgotten.
inline constexpr absl::Duration kIdleFor = absl::Milliseconds(200);

HolderKind KindOf(const SessionTraits& session);

}  // namespace lockstep::migration
