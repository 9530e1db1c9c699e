#include "services/migration/engine/run/measure/certificate_ledger.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "common/json/json.h"
#include "common/status/macros.h"

namespace lockstep::migration {

absl::Status KeepCertificates(pg::Connection& connection, const std::string& actor,
                              const std::vector<StepCertificate>& certificates) {
  for (const StepCertificate& each : certificates) {
    RETURN_IF_ERROR(
        connection
            .Query("INSERT INTO migration.lock_certificates (revision, ordinal, step_name,"
                   " checksum, server_version, is_alone, relations, took_us, actor)"
                   " VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)",
                   each.revision, static_cast<std::int64_t>(each.ordinal), each.step_name,
                   each.checksum, static_cast<std::int64_t>(each.server_version), each.is_alone,
                   JsonText(RelationsToJson(each)), absl::ToInt64Microseconds(each.took), actor)
            .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<StepCertificates> LoadCertificates(pg::Connection& connection, const Graph& graph,
                                                  const Plan& plan) {
  StepCertificates certificates;
  std::vector<std::string> revisions;
  std::map<std::pair<std::string, int>, std::string> checksums;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    revisions.push_back(revision.id);
    for (const std::size_t index : item.steps) {
      const Step& step = revision.steps[index];
      checksums[{revision.id, step.ordinal}] = step.checksum;
    }
  }
  if (checksums.empty()) return certificates;
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      connection.Query("SELECT c.revision, c.ordinal, c.step_name, c.checksum, c.is_alone,"
                       "       c.relations::text AS relations, c.took_us, c.measured_at"
                       "  FROM migration.lock_certificates AS c"
                       " WHERE c.revision = ANY ($1::text[]) AND c.server_version = $2"
                       " ORDER BY c.certificate_id",
                       pg::ArrayLiteral(revisions),
                       static_cast<std::int64_t>(connection.server_version() / 10'000)));
  for (const pg::Row row : rows) {
    StepCertificate certificate{.revision = row.Text("revision"),
                                .ordinal = row.Get<std::int32_t>("ordinal"),
                                .step_name = row.Text("step_name"),
                                .checksum = row.Text("checksum"),
                                .is_alone = row.Get<bool>("is_alone"),
                                .relations = {},
                                .took = absl::Microseconds(row.Get<std::int64_t>("took_us")),
                                .server_version = connection.server_version() / 10'000,
                                .measured_at = row.Get<absl::Time>("measured_at")};
    const auto wanted = checksums.find({certificate.revision, certificate.ordinal});
    if (wanted == checksums.end() || wanted->second != certificate.checksum) continue;
    RelationsFromJson(nlohmann::json::parse(row.Text("relations"), nullptr, false), certificate);
    // Later ones are newer.
    certificates.insert_or_assign(wanted->first, std::move(certificate));
  }
  return certificates;
}

}  // namespace lockstep::migration
