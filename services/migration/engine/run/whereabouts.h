// Where a runner must not be: on a replica, where nothing can be changed, and behind a pooler that
// hands out another backend with every transaction. Its settings, its lease and whom it waits for
// all hang on one backend that stays its own.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/connection.h"

namespace lockstep::migration {

struct Whereabouts {
  // OK; FAILED_PRECONDITION (RUNNER_ON_REPLICA, RUNNER_BEHIND_POOLER) with what to do.
  absl::Status refusal;
  // More rights than migrations need: every step still runs in its owner's role.
  bool is_superuser = false;
};

// Looks with one query; the status is that of the query. REQUIRES: `connection` was opened by
// session.h.
absl::StatusOr<Whereabouts> LookAround(pg::Connection& connection);

// What a run of a superuser says.
inline constexpr char kSuperuserWarning[] =
    "the runner is a superuser; steps still run in their owners' roles, but lockstep_migrator is "
    "enough and safer";

}  // namespace lockstep::migration
