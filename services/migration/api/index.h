// The migration index: one page that says where the database stands, what is in each release, what
// is pending, and how to go back. It replaces a document that was kept by hand; everything in it
// comes from definitions and ledger.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

enum class IndexFormat { kMarkdown, kHtml };

// What the page takes from the database. Times are left out on purpose, so that the page changes
// only when the state does and `index --check` can compare a committed copy.
struct IndexInput {
  std::vector<std::string> heads;                  // "service@revision"
  std::string release;                             // newest release applied completely; "" = none
  std::vector<std::string> pending;                // revision ids
  std::vector<std::string> partial;                // revision ids
  std::map<std::string, std::int64_t> row_counts;  // "schema.table" -> rows, for tables that exist
};

[[nodiscard]] absl::StatusOr<IndexInput> ReadIndexInput(const Context& context, Engine& engine);

// Pure.
[[nodiscard]] std::string RenderIndex(const Graph& graph, const IndexInput& input,
                                      IndexFormat format);

}  // namespace lockstep::migration
