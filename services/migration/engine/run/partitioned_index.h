// Builds and drops an index of a partitioned table without closing the table, which PostgreSQL
// refuses to do CONCURRENTLY.
//
// A build makes the parent index ON ONLY, which stays invalid until every partition has its part;
// then, from the upper levels down, the part of each partition: those of partitions with partitions
// of their own ON ONLY as well, those of the others CONCURRENTLY, under names that follow from the
// names of index and partition (partitioned_sql.h). Each is attached as soon as it is there. A
// partition that is made or attached meanwhile gets its part from PostgreSQL. The catalog is asked
// after every piece what is missing, so a crash anywhere costs one piece at most: what it left
// invalid is dropped and built again. It is done when the parent is valid.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/run/alone_statement.h"
#include "services/migration/engine/run/index_builder.h"
#include "services/migration/engine/run/partition_state.h"
#include "services/migration/engine/run/run_session.h"

namespace lockstep::migration {

// Of one step; all must outlive it. Used by the runner's thread, outside of transactions.
class PartitionedIndex {
 public:
  PartitionedIndex(RunSession& session, const StepTask& task, AloneStatement& alone,
                   IndexBuilder& builder)
      : session_(session), task_(task), alone_(alone), builder_(builder) {}

  // Until the parent index is valid and as defined. `parent_statement` makes it (ON ONLY).
  // `is_ours`: what stands there under its name may be an earlier attempt's. STEP_FAILED,
  // STEP_BLOCKED; NON_TRANSACTIONAL_UNSUPPORTED for foreign tables as partitions.
  absl::Status Build(const IndexBuild& build, const std::string& parent_statement, bool is_ours);

  // Drops it with all its parts, those first that were never attached. PostgreSQL closes the table
  // and all its partitions for that (ACCESS EXCLUSIVE), for a moment: it only changes the catalog.
  // So the locks are asked for as a transactional step asks for its own. OK when it is not there.
  absl::Status Drop(const std::string& schema, const std::string& name);

 private:
  // One round: a part for every partition that lacks one.
  absl::Status GiveParts(const IndexBuild& build);
  absl::Status GivePart(const IndexBuild& build, const Partition& partition);
  absl::Status GivePartOfPartitioned(const IndexBuild& part, const IndexShape& shape);
  absl::Status Attach(const IndexBuild& part, const Partition& partition);
  // All partitions have their parts and the parent is invalid all the same.
  absl::Status Revalidate(const IndexBuild& build, const std::vector<Partition>& partitions);
  // Sends what makes an index of `table` ON ONLY.
  absl::Status MakeOnly(const std::string& statement, const IndexBuild& index);
  absl::Status CheckDefinition(const IndexBuild& build);
  absl::Status DropUnattached(const IndexShape& shape, const IndexBuild& build);

  RunSession& session_;
  const StepTask& task_;
  AloneStatement& alone_;
  IndexBuilder& builder_;
};

}  // namespace lockstep::migration
