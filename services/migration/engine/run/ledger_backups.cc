#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 9: backups. The file may be gone by now; the line tells what it was.
constexpr std::string_view kBackups = R"sql(
CREATE TABLE IF NOT EXISTS migration.backups (
    backup_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL,
    file text NOT NULL,
    host text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    heads text NOT NULL,
    release text NOT NULL,
    server_version integer NOT NULL,
    actor text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
)sql";

}  // namespace

std::string_view LedgerBackups() { return kBackups; }

}  // namespace lockstep::migration
