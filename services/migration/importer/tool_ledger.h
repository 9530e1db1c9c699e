// What other tools wrote down about a database: which migrations of their history it has.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/connection.h"
#include "services/migration/engine/model.h"
#include "services/migration/importer/history.h"

namespace lockstep::migration {

// The formats whose tools keep such a table: all but sourcegraph.
std::vector<std::string> ToolsWithLedger();

// Where the tool keeps it, unless it was told otherwise: "public.schema_migrations".
std::string DefaultLedgerTable(HistoryFormat format);

// The revisions of `definitions` that were imported from the tool's history for `service` and that
// the table says are applied, in order: `revisions` are all that were imported, in order, without
// the one that gives access.
struct AdoptedHistory {
  std::vector<const Revision*> revisions;
  std::size_t applied = 0;  // so many of them, from the first one on
};

// FAILED_PRECONDITION: TOOL_LEDGER_MISSING, TOOL_LEDGER_DIRTY (a migration failed half-way),
// TOOL_LEDGER_UNKNOWN_VERSION (not imported), TOOL_LEDGER_HOLES (one is missing before others).
absl::StatusOr<AdoptedHistory> ReadToolLedger(pg::Connection& connection, HistoryFormat format,
                                              const std::string& table, const std::string& service,
                                              const Definitions& definitions);

}  // namespace lockstep::migration
