// What the catalog knows of the things that steps outside of transactions make and unmake. It is
// the judge of how far a broken-off statement came.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"

namespace lockstep::migration {

struct IndexState {
  bool is_valid = false;
  int builder_pid = 0;  // another session that is at work on it; 0 = none
  std::string definition;
};

// The index that stands under the name of `build`; nullopt when there is none.
absl::StatusOr<std::optional<IndexState>> LookAtIndex(pg::Connection& connection,
                                                      const IndexBuild& build);
// Whether it is of the same table and definition.
absl::StatusOr<bool> IsDefinedAs(const IndexState& state, const IndexBuild& build);

// Whether a relation that `drop` (a DROP INDEX) names is an index that is there.
absl::StatusOr<bool> IsAnyIndexThere(pg::Connection& connection, const ScriptFacts& drop);
// The same, and it is as good as before: DROP INDEX CONCURRENTLY first makes it invalid, then dead.
// An index of a partitioned table goes in one transaction, so it is always whole.
absl::StatusOr<bool> IsAnyIndexWhole(pg::Connection& connection, const ScriptFacts& drop);

// "schema"."index" of the invalid twins (_ccnew, _ccold) that broken-off REINDEX CONCURRENTLY
// statements left beside the indexes of what `reindex` names, those of partitions and of
// out-of-line storage included.
absl::StatusOr<std::vector<std::string>> ReindexLeftovers(pg::Connection& connection,
                                                          const ScriptFacts& reindex);

// The constraints of these names on the table that `validate` (an ALTER TABLE) is about that are
// not there or not validated.
absl::StatusOr<std::vector<std::string>> NotValidated(pg::Connection& connection,
                                                      const ScriptFacts& validate,
                                                      const std::vector<std::string>& names);

struct Attachment {
  bool is_pending = false;  // a DETACH ... CONCURRENTLY began and has to be finalized
  std::string parent;       // quoted, with schema
  std::string part;
};
// The partition that `detach` (an ALTER TABLE ... DETACH PARTITION) names; nullopt when it is none
// any more.
absl::StatusOr<std::optional<Attachment>> LookAtAttachment(pg::Connection& connection,
                                                           const ScriptFacts& detach);

}  // namespace lockstep::migration
