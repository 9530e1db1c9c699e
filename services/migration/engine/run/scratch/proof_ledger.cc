#include "services/migration/engine/run/scratch/proof_ledger.h"

#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/json/json.h"
#include "common/status/macros.h"

namespace lockstep::migration {
namespace {

nlohmann::json ToJson(const std::vector<CatalogDifference>& differences) {
  nlohmann::json list = nlohmann::json::array();
  for (const CatalogDifference& difference : differences) {
    list.push_back(
        {{"text", difference.text()}, {"severity", std::string(ToText(difference.severity))}});
  }
  return list;
}

}  // namespace

absl::Status RecordRehearsal(pg::Connection& connection, const std::string& actor,
                             const RehearsalReport& report) {
  for (const RehearsedRevision& each : report.revisions) {
    nlohmann::json differences = ToJson(each.differences);
    for (nlohmann::json& again : ToJson(each.again)) differences.push_back(std::move(again));
    RETURN_IF_ERROR(
        connection
            .Query("INSERT INTO migration.rehearsals (revision, checksum, service, server_version,"
                   " verdict, failure, differences, losses, sampled_rows, up_ms, down_ms, actor)"
                   " VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9, $10, $11, $12)",
                   each.revision, each.checksum, each.service,
                   static_cast<std::int64_t>(report.server_version),
                   std::string(ToText(each.verdict)), each.failure, JsonText(differences),
                   JsonText(nlohmann::json(each.losses)), report.sample.rows,
                   absl::ToInt64Milliseconds(each.up), absl::ToInt64Milliseconds(each.down), actor)
            .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> RehearsedChecksums(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   connection.Query("SELECT DISTINCT ON (r.revision, r.checksum) r.checksum,"
                                    " r.verdict NOT IN ('dishonest', 'failed') AS is_good"
                                    " FROM migration.rehearsals AS r"
                                    " ORDER BY r.revision, r.checksum, r.rehearsal_id DESC"));
  std::set<std::string> checksums;
  for (const pg::Row row : rows) {
    if (row.Get<bool>("is_good")) checksums.insert(std::string(row.Text("checksum")));
  }
  return checksums;
}

absl::StatusOr<std::optional<CatalogImage>> LoadExpectation(pg::Connection& connection,
                                                            const std::string& state) {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      connection.Query("SELECT o.value ->> 0 AS kind, o.value ->> 1 AS name,"
                       "       (o.value -> 2)::text AS facts, e.built_from, e.built_until"
                       "  FROM migration.catalog_expectations AS e,"
                       "       jsonb_array_elements(e.objects) AS o(value) WHERE e.state = $1",
                       state));
  if (rows.empty()) return std::optional<CatalogImage>();
  CatalogImage image;
  image.server_version = connection.server_version() / 10'000;
  for (const pg::Row row : rows) {
    image.objects[{std::string(row.Text("kind")), std::string(row.Text("name"))}] =
        row.Text("facts");
    image.built_from = row.Get<absl::Time>("built_from");
    image.built_until = row.Get<absl::Time>("built_until");
  }
  return std::optional<CatalogImage>(std::move(image));
}

absl::Status KeepExpectation(pg::Connection& connection, const std::string& state,
                             const CatalogImage& image) {
  nlohmann::json objects = nlohmann::json::array();
  for (const auto& [key, facts] : image.objects) {
    objects.push_back({key.first, key.second, nlohmann::json::parse(facts, nullptr, false)});
  }
  // One state at a time is the live one's.
  return connection
      .Query(
          "WITH old AS (DELETE FROM migration.catalog_expectations WHERE state <> $1)"
          " INSERT INTO migration.catalog_expectations (state, objects, built_from, built_until)"
          " VALUES ($1, $2::jsonb, $3, $4) ON CONFLICT (state) DO NOTHING",
          state, JsonText(objects), image.built_from, image.built_until)
      .status();
}

}  // namespace lockstep::migration
