#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 6: what a restarted migration service needs to give leases their time back: how long each
// was taken for, and when a service was last there to renew it.
constexpr std::string_view kLeases = R"sql(
ALTER TABLE migration.instances ADD COLUMN IF NOT EXISTS ttl interval NOT NULL DEFAULT interval '15 seconds';

CREATE TABLE IF NOT EXISTS migration.service_life (
    id smallint PRIMARY KEY CHECK (id = 1),
    alive_at timestamptz NOT NULL
);
INSERT INTO migration.service_life (id, alive_at)
SELECT 1, coalesce(max(heartbeat_at), '-infinity') FROM migration.instances
ON CONFLICT (id) DO NOTHING;
)sql";

}  // namespace

std::string_view LedgerLeases() { return kLeases; }

}  // namespace lockstep::migration
