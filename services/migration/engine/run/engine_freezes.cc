#include "common/status/macros.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {

absl::StatusOr<Freeze> Engine::CreateFreeze(const Context& context, const FreezeOptions& freeze) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return RecordFreeze(*connection, options_, freeze);
}

absl::StatusOr<std::vector<Freeze>> Engine::ListFreezes(const Context& context, int limit,
                                                        std::string_view before) const {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return LoadFreezes(*connection, limit, before);
}

absl::StatusOr<Freeze> Engine::LiftFreeze(const Context& context, std::string_view id) {
  ASSIGN_OR_RETURN(const auto connection, OpenLedgerSession(options_, context));
  return EndFreeze(*connection, options_, id);
}

}  // namespace lockstep::migration
