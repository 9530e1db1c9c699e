#include "services/migration/engine/run/step_sql.h"

#include <array>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

std::string JsonLiteral(const nlohmann::json& json) {
  return QuoteLiteral(JsonText(json)) + "::jsonb";
}

void AddScript(nlohmann::json& scripts, const Revision& revision, int ordinal,
               std::string_view role, const Script& script) {
  if (script.empty() && script.text.empty()) return;
  scripts.push_back({{"revision", revision.id},
                     {"ordinal", ordinal},
                     {"role", role},
                     {"file", script.file},
                     {"body", script.text}});
}

void AddStepScripts(nlohmann::json& scripts, const Revision& revision, const Step& step) {
  AddScript(scripts, revision, step.ordinal, "up", step.up);
  AddScript(scripts, revision, step.ordinal, "down", step.down);
  AddScript(scripts, revision, step.ordinal, "expect", step.expect);
}

// What belongs to the revision as a whole has ordinal 0.
void AddRevisionScripts(nlohmann::json& scripts, const Revision& revision) {
  AddScript(scripts, revision, 0, "verify", revision.verify);
  AddScript(scripts, revision, 0, "guard", revision.guard);
}

// Between two steps: how long each took is for the ledger.
constexpr char kNoteTimeSql[] =
    "SELECT set_config('lockstep.step_ends', concat_ws(' ', current_setting('lockstep.step_ends',"
    " true), extract(epoch FROM clock_timestamp())), true);\n";

std::string_view KindText(StepKind kind) {
  switch (kind) {
    case StepKind::kTransactional:
      return "transactional";
    case StepKind::kNonTransactional:
      return "non_transactional";
    case StepKind::kPrivileged:
      return "privileged";
    case StepKind::kBackfill:
      return "backfill";
    case StepKind::kViewRewrite:
      return "view_rewrite";
  }
  return "";
}

}  // namespace

std::string OwnerRole(std::string_view service) { return std::string(service) + "_owner"; }

std::string BeginSql(const RunSql& run, const Limits& limits) {
  return absl::StrFormat(
      "BEGIN;\nSELECT set_config('role', 'none', true), set_config('lock_timeout', '%d', true),"
      " set_config('statement_timeout', '%d', true), set_config('search_path', '%s', true),"
      " set_config('TimeZone', 'UTC', true);\nSELECT migration.assert_lease(%s);\n",
      limits.lock_timeout_ms, limits.statement_timeout_ms, kSearchPath, run.lease);
}

std::string PlainStepsSql(const RunSql& run, const std::vector<PlainStep>& steps,
                          const Limits& limits, const std::string& extra_record_sql,
                          const std::string& events) {
  const Revision& first = *steps.front().revision;
  const Boundary boundary = BoundaryOf(first);
  const std::string role = OwnerRole(first.service);
  nlohmann::json done = nlohmann::json::array();
  nlohmann::json revisions = nlohmann::json::array();
  nlohmann::json scripts = nlohmann::json::array();
  std::string sql = absl::StrFormat(
      "BEGIN;\nSET LOCAL ROLE NONE;\nSELECT migration.begin_plain_step(%s, '%s', '%s', %s);\n",
      run.lease, ShowMilliseconds(limits.lock_timeout_ms),
      ShowMilliseconds(limits.statement_timeout_ms), QuoteLiteral(role));
  for (const auto& [revision, step, is_last] : steps) {
    if (!done.empty()) sql += kNoteTimeSql;
    sql += JoinStatements(step->up.statements);
    done.push_back({{"place", done.size() + 1},
                    {"revision", revision->id},
                    {"ordinal", step->ordinal},
                    {"name", step->name},
                    {"checksum", step->checksum}});
    AddStepScripts(scripts, *revision, *step);
    if (!is_last) continue;
    AddRevisionScripts(scripts, *revision);
    revisions.push_back(
        {{"revision", revision->id}, {"title", revision->title}, {"checksum", revision->checksum}});
  }
  sql += kFireConstraints;
  sql +=
      "SELECT set_config('lockstep.step_role', current_user, true), set_config('role', 'none', "
      "true);\n";
  sql += absl::StrFormat(
      "SELECT migration.finish_plain_steps(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);\n",
      QuoteLiteral(role), QuoteLiteral(StateText("", limits).substr(1)),
      TextArraySql(boundary.schemas), TextArraySql(boundary.references), run.run, run.actor,
      QuoteLiteral(first.service), JsonLiteral(done), JsonLiteral(revisions), JsonLiteral(scripts),
      QuoteLiteral(events));
  // After the check: it would take the engine's own rows for the steps'.
  return sql + extra_record_sql;
}

std::string EnterRoleSql(std::string_view role) {
  return "SET LOCAL ROLE " + pg::QuoteIdentifier(role) + ";\n";
}

std::string EnterLegacySql(const Revision& revision) {
  if (revision.phase != Phase::kLegacy) return "";
  std::string path;
  for (const std::string& schema : revision.search_path) {
    path += (path.empty() ? "" : ", ") + pg::QuoteIdentifier(schema);
  }
  return "SET LOCAL search_path = " + path + ";\n";
}

std::string LeaveLegacySql(const Revision& revision, const Limits& limits) {
  if (revision.phase != Phase::kLegacy) return "";
  return absl::StrFormat(
      "SET LOCAL search_path = %s; SET LOCAL lock_timeout = %d; SET LOCAL statement_timeout = %d;"
      " SET LOCAL TimeZone = 'UTC'; SET LOCAL client_encoding = 'UTF8';\n",
      kSearchPath, limits.lock_timeout_ms, limits.statement_timeout_ms);
}

std::string_view StateSql() {
  return "pg_catalog.concat_ws(' ', current_user, pg_catalog.current_setting('lock_timeout'),"
         " pg_catalog.current_setting('statement_timeout'),"
         " pg_catalog.current_setting('search_path'), pg_catalog.current_setting('TimeZone'))";
}

std::string StateText(std::string_view role, const Limits& limits) {
  return std::string(role) + " " + ShowMilliseconds(limits.lock_timeout_ms) + " " +
         ShowMilliseconds(limits.statement_timeout_ms) + " " + kSearchPath + " UTC";
}

std::string ShowMilliseconds(int ms) {
  struct Unit {
    int ms;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits = {Unit{86'400'000, "d"}, Unit{3'600'000, "h"},
                                          Unit{60'000, "min"}, Unit{1'000, "s"}};
  if (ms == 0) return "0";
  for (const Unit& unit : kUnits) {
    if (ms % unit.ms == 0) return std::to_string(ms / unit.ms) + unit.name;
  }
  return std::to_string(ms) + "ms";
}

std::string JoinStatements(const std::vector<std::string>& statements) {
  std::string sql;
  // The separator is on a line of its own: a statement may end in a comment.
  for (const std::string& statement : statements) sql += statement + "\n;\n";
  return sql;
}

std::string RecordStepSql(const RunSql& run, const Revision& revision, const Step& step,
                          std::string_view duration_ms) {
  nlohmann::json scripts = nlohmann::json::array();
  AddStepScripts(scripts, revision, step);
  return absl::StrFormat(
      "SELECT migration.record_step(%s, %s, %s, %s, %d, %s, '%s', %s, %s, %s);\n", run.run,
      run.actor, QuoteLiteral(revision.id), QuoteLiteral(revision.service), step.ordinal,
      QuoteLiteral(step.name), KindText(step.kind), QuoteLiteral(step.checksum),
      JsonLiteral(scripts), duration_ms);
}

std::string RecordAgainSql(const RunSql& run, const Revision& revision, const Step& step) {
  return absl::StrFormat(
      "INSERT INTO migration.step_log (run_id, revision, service, ordinal, name, direction,"
      " checksum, actor, duration_ms) VALUES (%s, %s, %s, %d, %s, 'up', %s, %s,"
      " (extract(epoch FROM clock_timestamp() - transaction_timestamp()) * 1000)::bigint);\n",
      run.run, QuoteLiteral(revision.id), QuoteLiteral(revision.service), step.ordinal,
      QuoteLiteral(step.name), QuoteLiteral(step.checksum), run.actor);
}

std::string RecordRevisionSql(const RunSql& run, const Revision& revision) {
  nlohmann::json scripts = nlohmann::json::array();
  AddRevisionScripts(scripts, revision);
  return absl::StrFormat("SELECT migration.record_revision(%s, %s, %s, %s, %s, %s, %s);\n", run.run,
                         run.actor, QuoteLiteral(revision.id), QuoteLiteral(revision.service),
                         QuoteLiteral(revision.title), QuoteLiteral(revision.checksum),
                         JsonLiteral(scripts));
}

std::string BeginUndoSql(const Revision& revision) {
  return "SELECT migration.begin_undo(" + QuoteLiteral(revision.id) + ");\n";
}

std::string RecordUndoSql(const RunSql& run, const Revision& revision, const Step& step,
                          std::string_view duration_ms) {
  std::string sql = absl::StrFormat(
      "SELECT migration.record_undo(%s, %s, %s, %s, %d, %s, %s, %s);\n", run.run, run.actor,
      QuoteLiteral(revision.id), QuoteLiteral(revision.service), step.ordinal,
      QuoteLiteral(step.name), QuoteLiteral(step.checksum), duration_ms);
  if (step.kind == StepKind::kBackfill) {
    sql +=
        absl::StrFormat("DELETE FROM migration.backfills WHERE revision = %s AND ordinal = %d;\n",
                        QuoteLiteral(revision.id), step.ordinal);
  }
  return sql;
}

std::string RecordChecksSql(const RunSql& run, const std::vector<VerificationResult>& checks) {
  if (checks.empty()) return "";
  nlohmann::json json = nlohmann::json::array();
  for (const VerificationResult& check : checks) {
    json.push_back({{"revision", check.revision},
                    {"check_id", check.check_id},
                    {"expected", check.expected},
                    {"actual", check.actual},
                    {"passed", check.passed}});
  }
  return "SELECT migration.record_checks(" + run.run + ", " + JsonLiteral(json) + ");\n";
}

}  // namespace lockstep::migration
