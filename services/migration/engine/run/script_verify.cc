#include "services/migration/engine/run/script_verify.h"

#include <algorithm>

#include "common/pg/connection.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/script_text.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

// An SQL regular expression for `name` as a whole name, behind a quote, an alias or a blank.
std::string PatternOf(const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '.' || c == '$' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return "(^|[^A-Za-z0-9_$])" + escaped + "($|[^A-Za-z0-9_$.])";
}

// PL/pgSQL that appends `value` (an expression of type jsonb) to the list in a setting.
std::string AppendSql(std::string_view setting, const std::string& value) {
  const std::string name = "'lockstep." + std::string(setting) + "'";
  return "PERFORM set_config(" + name + ", (current_setting(" + name + ")::jsonb || " + value +
         ")::text, true);";
}

// Whether the revision is to be checked: "" = it is, else an SQL condition.
std::string ConditionOf(const Revision& revision) {
  return "current_setting('lockstep.views')::jsonb ?| " + TextArraySql(revision.verify.facts.read);
}

std::string CheckScript(const Revision& revision, const std::string& check_id,
                        const std::string& statement, const std::string& condition,
                        const std::vector<std::string>& dropped) {
  std::string sql = "DO $lockstep$ DECLARE v_found text; v_message text; BEGIN\n";
  if (!condition.empty()) sql += "  IF NOT (" + condition + ") THEN RETURN; END IF;\n";
  sql += "  SELECT string_agg(t, '; ') INTO v_found FROM (SELECT to_jsonb(v.*)::text FROM (\n" +
         statement +
         "\n) AS v LIMIT 5) AS found(t);\n  IF v_found IS NOT NULL THEN RAISE EXCEPTION USING "
         "ERRCODE = '" +
         kVerificationFailedState +
         "', MESSAGE = " + QuoteLiteral(revision.id + " " + check_id + ": ") +
         " || v_found; END IF;\n  " +
         AppendSql("checks", "jsonb_build_object('revision', " + QuoteLiteral(revision.id) +
                                 "::text, 'check_id', " + QuoteLiteral(check_id) +
                                 "::text, 'expected', 'no violations', 'actual', 'no violations', "
                                 "'passed', true)") +
         "\n";
  if (!dropped.empty()) {
    std::vector<std::string> patterns;
    for (const std::string& name : dropped) patterns.push_back(PatternOf(name));
    sql +=
        "EXCEPTION WHEN undefined_table OR undefined_column THEN\n"
        "  GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT;\n"
        // Only what was dropped in order: any other name is a fault of the check.
        "  IF NOT v_message ~ ANY (" +
        TextArraySql(patterns) + ") THEN RAISE; END IF;\n  " +
        AppendSql("skipped", "jsonb_build_object('revision', " + QuoteLiteral(revision.id) +
                                 "::text, 'check_id', " + QuoteLiteral(check_id) + "::text)") +
        "\n";
  }
  return sql + "END $lockstep$;\n";
}

constexpr char kTellSkipped[] =
    "INSERT INTO migration.run_events (run_id, event_offset, at, kind, revision, message)"
    " SELECT current_setting('lockstep.run')::uuid, (SELECT coalesce(max(event_offset), 0) FROM"
    " migration.run_events WHERE run_id = current_setting('lockstep.run')::uuid) + s.n,"
    " clock_timestamp(), 'verification_skipped', s.v ->> 'revision', (s.v ->> 'check_id') || ' of '"
    " || (s.v ->> 'revision') || ' is about what a later revision dropped'"
    " FROM jsonb_array_elements(current_setting('lockstep.skipped')::jsonb) WITH ORDINALITY AS "
    "s(v, n);\n";

}  // namespace

std::string VerificationsScript(const Graph& graph, const AppliedState& after,
                                const Touched& touched) {
  const RevisionSet surely = Affected(graph, after, touched);
  RevisionSet candidates;
  for (const std::size_t position : Verifiable(graph, after)) {
    const bool is_sure = std::find(surely.begin(), surely.end(), position) != surely.end();
    if (is_sure || !graph.at(position).verify.facts.read.empty()) candidates.push_back(position);
  }
  if (candidates.empty()) return "";
  std::string sql =
      "\n-- verifications\nBEGIN;\nSELECT migration.assert_lease(" + ScriptRunSql().lease +
      ");\nSELECT set_config('lockstep.checks', '[]', true), set_config('lockstep.skipped', '[]', "
      "true), set_config('lockstep.views', (SELECT coalesce(jsonb_agg(v.name), '[]')::text FROM (" +
      DependentViewsSql(touched) + ") AS v), true);\n";
  std::string affected = std::to_string(surely.size());
  for (const std::size_t position : candidates) {
    const Revision& revision = graph.at(position);
    const bool is_sure = std::find(surely.begin(), surely.end(), position) != surely.end();
    const std::string condition = is_sure ? "" : ConditionOf(revision);
    if (!is_sure) affected += " + (" + condition + ")::integer";
    const std::vector<std::string> dropped = NamesDroppedSince(graph, after, position);
    sql += EnterRoleSql(OwnerRole(revision.service));
    for (std::size_t i = 0; i < revision.verify.statements.size(); ++i) {
      sql += CheckScript(revision, CheckId(revision.verify, i), revision.verify.statements[i],
                         condition, dropped);
    }
  }
  const std::string suffix =
      " || jsonb_array_length(current_setting('lockstep.checks')::jsonb) || ' verifications of ' "
      "|| (" +
      affected + ") || ' revisions hold'";
  return sql + "SET LOCAL ROLE NONE;\n" + kTellSkipped + RecordChecksScript() +
         EventScript(
             {.kind = "verification", .message = ""},
             {.suffix = suffix,
              .condition = "jsonb_array_length(current_setting('lockstep.checks')::jsonb) > 0"}) +
         "COMMIT;\n";
}

}  // namespace lockstep::migration
