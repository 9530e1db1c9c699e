#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 12: what was proven on scratch databases.
constexpr std::string_view kProofs = R"sql(
-- A revision was taken up, down and up again. checksum: of the revision then; another text is another proof.
CREATE TABLE IF NOT EXISTS migration.rehearsals (
    rehearsal_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision text NOT NULL,
    checksum text NOT NULL,
    service text NOT NULL,
    server_version integer NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('reversible', 'reversible with loss', 'irreversible', 'dishonest', 'failed')),
    failure text NOT NULL,
    differences jsonb NOT NULL,
    losses jsonb NOT NULL,
    sampled_rows bigint NOT NULL,
    up_ms bigint NOT NULL,
    down_ms bigint NOT NULL,
    actor text NOT NULL,
    rehearsed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS rehearsals_revision_idx ON migration.rehearsals (revision, checksum, rehearsal_id);

-- What everything should look like where exactly these revisions are applied. state: hash over their checksums, those of
-- repeatable definitions, the version of the server and of the image.
CREATE TABLE IF NOT EXISTS migration.catalog_expectations (
    state text PRIMARY KEY,
    objects jsonb NOT NULL,
    built_from timestamptz NOT NULL,
    built_until timestamptz NOT NULL
);
)sql";

}  // namespace

std::string_view LedgerProofs() { return kProofs; }

}  // namespace lockstep::migration
