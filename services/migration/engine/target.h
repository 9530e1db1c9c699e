// TARGET of the command line (surface.md): where an upgrade or a downgrade is to end.
//
//   head  base  v2.2.2  84bc4d8b03ef  84bc  +1  -1  orders@head  orders@base  orders@-1 orders@84bc
//
// `+N` and `-N` alone step over releases, with a service over its revisions. Relative targets start
// from what is applied.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/migration/engine/graph.h"

namespace lockstep::migration {

struct Target {
  std::string text;     // as it was given
  std::string name;     // what it came to: "head", "base", "v2.2.1", "84bc4d8b03ef", "orders@base"
  std::string service;  // "" = all services; else the only one whose revisions a downgrade takes
                        // away by itself
  RevisionSet members;  // what is applied there: closed under parents and dependencies
};

// Finds what `text` means. `applied` is where relative targets start from: the completely applied
// revisions for an upgrade, the half-applied ones as well for a downgrade. INVALID_ARGUMENT
// (TARGET_INVALID) for no text; NOT_FOUND (TARGET_UNKNOWN) with the nearest names; INVALID_ARGUMENT
// (TARGET_AMBIGUOUS) with the candidates; OUT_OF_RANGE (TARGET_OUT_OF_RANGE) when there are not so
// many steps.
[[nodiscard]] absl::StatusOr<Target> ResolveTarget(const Graph& graph, std::string_view text,
                                                   const RevisionSet& applied);

// One revision by id, alias or unique prefix: what `show REV`, `amend REV` and `wait --revision
// REV` take. Errors as above.
[[nodiscard]] absl::StatusOr<std::size_t> ResolveRevision(const Graph& graph,
                                                          std::string_view text);

// The names among `known` that are closest to `text` by edit distance, best first, at most `limit`.
std::vector<std::string> NearestNames(std::string_view text, const std::vector<std::string>& known,
                                      std::size_t limit = 3);

}  // namespace lockstep::migration
