#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 4: freeze windows. One that is lifted or over stays, for who asks later.
constexpr std::string_view kFreezes = R"sql(
CREATE TABLE IF NOT EXISTS migration.freezes (
    freeze_id uuid PRIMARY KEY,
    created_order bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    reason text NOT NULL CHECK (reason <> ''),
    actor text NOT NULL,
    host text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at timestamptz NOT NULL CHECK (ends_at > created_at),
    lifted_at timestamptz,
    lifted_by text NOT NULL DEFAULT '',
    CHECK ((lifted_at IS NULL) = (lifted_by = ''))
);
)sql";

}  // namespace

std::string_view LedgerFreezes() { return kFreezes; }

}  // namespace lockstep::migration
