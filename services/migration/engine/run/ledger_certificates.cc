#include "services/migration/engine/run/ledger_functions.h"

namespace lockstep::migration {
namespace {

// Version 13: what steps were seen to lock, write anew and read on scratch databases.
constexpr std::string_view kCertificates = R"sql(
-- checksum: of the step then; another text needs another certificate. relations: what it did to each relation that was
-- there before. is_alone: the step cannot run in a transaction.
CREATE TABLE IF NOT EXISTS migration.lock_certificates (
    certificate_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision text NOT NULL,
    ordinal integer NOT NULL,
    step_name text NOT NULL,
    checksum text NOT NULL,
    server_version integer NOT NULL,
    is_alone boolean NOT NULL,
    relations jsonb NOT NULL,
    took_us bigint NOT NULL,
    actor text NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS lock_certificates_revision_idx ON migration.lock_certificates (revision, certificate_id);
)sql";

}  // namespace

std::string_view LedgerCertificates() { return kCertificates; }

}  // namespace lockstep::migration
