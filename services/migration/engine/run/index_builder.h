// Builds one index CONCURRENTLY, so that a build that was broken off anywhere converges: what an
// earlier attempt left invalid is dropped and built again, and the catalog says when it is done.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/run/alone_statement.h"
#include "services/migration/engine/run/catalog_state.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Of one step; all must outlive it. Used by the runner's thread, outside of transactions.
class IndexBuilder {
 public:
  IndexBuilder(RunSession& session, const StepTask& task, AloneStatement& alone)
      : session_(session), task_(task), alone_(alone) {}

  // Sends `statement`, which builds `build`, until the index is valid and as defined. `is_ours`:
  // what stands there under its name may be an earlier attempt's. STEP_FAILED, STEP_BLOCKED.
  absl::Status Build(const IndexBuild& build, const std::string& statement, bool is_ours);

  // The index once nobody else is at work on it. STEP_BLOCKED when that takes longer than
  // retry_for_seconds.
  absl::StatusOr<std::optional<IndexState>> AwaitBuilder(const IndexBuild& build);

  // Drops an index of ours that did not come to its end, CONCURRENTLY and with patience.
  absl::Status DropLeftover(const IndexBuild& build);
  // Drops "schema"."index" (quoted) likewise.
  absl::Status Drop(const std::string& quoted_name);

 private:
  absl::Status BuildOnce(const IndexBuild& build, const std::string& statement, bool& is_ours);
  absl::Status DropLeftoverOnce(const IndexBuild& build);
  absl::Status DropOnce(const std::string& quoted_name);
  absl::StatusOr<bool> IsAsWanted(const IndexState& state, const IndexBuild& build) const;

  RunSession& session_;
  const StepTask& task_;
  AloneStatement& alone_;
};

// STEP_FAILED: an index of this name stands there and is another one.
absl::Status IndexInTheWay(const StepTask& task, const IndexBuild& build, const IndexState& there);

}  // namespace lockstep::migration
