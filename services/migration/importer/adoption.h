// `lockstep stamp --from-tool`: a database that another tool migrated goes on with the ledger.
//
// What the tool wrote down says which revisions of the imported history are there; a scratch
// database that is brought to the same point says whether the schema is what they make. Only then
// owners are moved, where that is asked for, and the revisions are recorded as applied.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/context/context.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/run/catalog/catalog_image.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/events.h"
#include "services/migration/importer/history.h"

namespace lockstep::migration {

struct AdoptionOptions {
  EngineOptions engine;
  HistoryFormat format = HistoryFormat::kGolangMigrate;
  std::string service;
  std::string tool_table;           // "" = where the tool keeps it by default
  bool transfer_ownership = false;  // gives the objects to the service's owner
  bool accept_differences = false;  // records although the schema is another one
};

struct AdoptionReport {
  std::vector<std::string> bootstrapped;       // what was made because there was no ledger
  std::string target;                          // "orders@migrate_orders_000042"
  std::size_t applied = 0;                     // revisions of the history that are there
  std::size_t imported = 0;                    // of so many
  std::vector<CatalogDifference> differences;  // owners and grants left out
  std::vector<std::string> foreign;            // "table public.users of postgres"
  bool was_transferred = false;
  bool was_stamped = false;
};

// Differences and foreign owners that stand against it are in the report, with was_stamped = false.
// Those of ReadToolLedger(), Engine::Bootstrap(), ScratchDatabase and Engine::Stamp().
absl::StatusOr<AdoptionReport> AdoptDatabase(const Context& context, const Definitions& definitions,
                                             const AdoptionOptions& options, EventSink& sink);

}  // namespace lockstep::migration
