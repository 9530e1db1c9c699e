#include "services/migration/engine/run/repeatable_ledger.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/repeatable_plan.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

std::string ObjectsLiteral(const std::vector<RepeatableObject>& objects) {
  nlohmann::json json = nlohmann::json::array();
  for (const RepeatableObject& object : objects) {
    json.push_back({{"kind", object.kind}, {"name", object.name}, {"identity", object.identity}});
  }
  return QuoteLiteral(JsonText(json)) + "::jsonb";
}

// "<run>, <actor>, 'catalog', 'stock'": how every recording function begins.
std::string Who(const RunSql& run, std::string_view service, std::string_view name) {
  return run.run + ", " + run.actor + ", " + QuoteLiteral(service) + ", " + QuoteLiteral(name);
}

// A column of type text[], sent as JSON.
std::vector<std::string> TextsIn(const pg::Row& row, std::string_view column) {
  const auto json = nlohmann::json::parse(row.Text(column), nullptr, false);
  std::vector<std::string> texts;
  if (!json.is_array()) return texts;
  for (const nlohmann::json& entry : json) {
    if (entry.is_string()) texts.push_back(entry.get<std::string>());
  }
  return texts;
}

}  // namespace

std::string RepeatableStateSql() {
  return "SELECT r.service, r.name, r.checksum, r.is_set_aside,"
         " coalesce(o.value ->> 'kind', '') AS kind, coalesce(o.value ->> 'name', '') AS object,"
         " coalesce(o.value ->> 'identity', '') AS identity,"
         " o.value IS NOT NULL AND migration.repeatable_oid(o.value ->> 'kind',"
         " o.value ->> 'identity') IS NULL AS is_missing"
         " FROM migration.repeatables AS r"
         " LEFT JOIN LATERAL jsonb_array_elements(r.objects) WITH ORDINALITY AS o(value, n) ON true"
         " ORDER BY r.service, r.name, o.n;\n";
}

std::map<std::string, AppliedRepeatable, std::less<>> RepeatablesFrom(const pg::Result& rows) {
  std::map<std::string, AppliedRepeatable, std::less<>> repeatables;
  for (const pg::Row row : rows) {
    AppliedRepeatable& repeatable = repeatables[row.Text("service") + "/" + row.Text("name")];
    repeatable.service = row.Text("service");
    repeatable.name = row.Text("name");
    repeatable.checksum = row.Text("checksum");
    repeatable.is_set_aside = row.Get<bool>("is_set_aside");
    repeatable.is_missing = repeatable.is_missing || row.Get<bool>("is_missing");
    if (row.Text("kind").empty()) continue;
    repeatable.objects.push_back(
        {.kind = row.Text("kind"), .name = row.Text("object"), .identity = row.Text("identity")});
  }
  return repeatables;
}

absl::StatusOr<std::vector<RepeatableBody>> LoadAppliedBodies(pg::Connection& connection) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT service, name, body FROM migration.repeatables"
                                    " WHERE NOT is_set_aside ORDER BY service, name"));
  std::vector<RepeatableBody> bodies;
  for (const pg::Row row : rows) {
    bodies.push_back(
        {.service = row.Text("service"), .name = row.Text("name"), .body = row.Text("body")});
  }
  return bodies;
}

absl::StatusOr<std::vector<RepeatableBody>> LoadBodiesOfSetAside(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query("SELECT b.service, b.name, coalesce(b.body, '') AS body,"
                       "  b.body IS NULL AS is_vanished, array_to_json(b.heads)::text AS heads"
                       "  FROM migration.repeatable_bodies AS b"
                       "  JOIN migration.repeatables AS r USING (service, name)"
                       " WHERE r.is_set_aside ORDER BY b.body_id DESC"));
  std::vector<RepeatableBody> bodies;
  for (const pg::Row row : rows) {
    bodies.push_back({.service = row.Text("service"),
                      .name = row.Text("name"),
                      .body = row.Text("body"),
                      .heads = TextsIn(row, "heads"),
                      .is_vanished = row.Get<bool>("is_vanished")});
  }
  return bodies;
}

absl::StatusOr<std::vector<VerificationResult>> CheckRepeatables(pg::Connection& connection) {
  ASSIGN_OR_RETURN(
      pg::Result rows,
      connection.Query(
          "SELECT x.service, x.name, x.kind, x.identity, x.now IS NULL AS is_gone,"
          "  x.now IS NOT DISTINCT FROM x.was AS is_same, clock_timestamp() AS ran_at"
          "  FROM (SELECT r.service, r.name, o.value ->> 'kind' AS kind,"
          "               o.value ->> 'identity' AS identity, o.value ->> 'definition' AS was,"
          "               migration.repeatable_definition(o.value ->> 'kind',"
          "                                               o.value ->> 'identity') AS now, o.n"
          "          FROM migration.repeatables AS r,"
          "               jsonb_array_elements(r.objects) WITH ORDINALITY AS o(value, n)"
          "         WHERE NOT r.is_set_aside) AS x"
          " ORDER BY x.service, x.name, x.n"));
  std::vector<VerificationResult> results;
  for (const pg::Row row : rows) {
    VerificationResult result;
    result.revision = RepeatableId(row.Text("service") + "/" + row.Text("name"));
    result.check_id = row.Text("kind") + " " + row.Text("identity");
    result.expected = "as it was applied";
    result.passed = row.Get<bool>("is_same");
    result.actual = row.Get<bool>("is_gone") ? "it is not there"
                    : result.passed          ? "as it was applied"
                                             : "its definition is another one";
    result.ran_at = row.Get<absl::Time>("ran_at");
    results.push_back(std::move(result));
  }
  return results;
}

std::string RecordRepeatableSql(const RunSql& run, const Repeatable& repeatable,
                                const std::vector<std::string>& heads) {
  return absl::StrFormat("SELECT migration.record_repeatable(%s, %s, %s, %s, %s);\n",
                         Who(run, repeatable.service, repeatable.name),
                         QuoteLiteral(repeatable.script.checksum),
                         QuoteLiteral(repeatable.script.text), ObjectsLiteral(repeatable.objects),
                         TextArraySql(heads));
}

std::string DropRepeatableSql(const RunSql& run, std::string_view service, std::string_view name,
                              bool is_vanished, const std::vector<std::string>& heads) {
  return absl::StrFormat("SELECT migration.drop_repeatable(%s, %s, %s);\n", Who(run, service, name),
                         is_vanished ? "true" : "false", TextArraySql(heads));
}

std::string SetAsideRepeatableSql(const RunSql& run, std::string_view service,
                                  std::string_view name) {
  return "SELECT migration.set_aside_repeatable(" + Who(run, service, name) + ");\n";
}

std::string VanishedSql(const std::vector<std::string>& services) {
  return "SELECT b.service, b.name FROM migration.repeatable_bodies AS b WHERE b.service = ANY (" +
         TextArraySql(services) +
         ") AND b.body IS NULL"
         " AND NOT EXISTS (SELECT FROM migration.repeatable_bodies AS n"
         "                  WHERE (n.service, n.name) = (b.service, b.name)"
         "                    AND n.body_id > b.body_id)"
         " AND NOT EXISTS (SELECT FROM migration.repeatables AS r"
         "                  WHERE (r.service, r.name) = (b.service, b.name))";
}

std::string RememberVanishedSql(const RunSql& run, const std::vector<std::string>& services) {
  return absl::StrFormat(
      "INSERT INTO migration.repeatables (service, name, checksum, body, objects, heads,"
      " is_set_aside, applied_by, run_id)"
      " SELECT v.service, v.name, '', '', '[]'::jsonb, '{}'::text[], true, %s, %s"
      " FROM (%s) AS v ON CONFLICT (service, name) DO NOTHING;\n",
      run.actor, run.run + "::uuid", VanishedSql(services));
}

std::string ForgetRepeatableSql(const RunSql& run, std::string_view service,
                                std::string_view name) {
  return "SELECT migration.forget_repeatable(" + Who(run, service, name) + ");\n";
}

}  // namespace lockstep::migration
