#include "services/migration/engine/run/script_text.h"

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/json/json.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/run_session.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

using pg::QuoteIdentifier;
using pg::QuoteLiteral;

std::string_view DirectionText(Direction direction) {
  return direction == Direction::kUp ? "up" : "down";
}

std::string StepKey(const Revision& revision, const Step& step, Direction direction) {
  return absl::StrFormat("revision = %s AND ordinal = %d AND direction = '%s'",
                         QuoteLiteral(revision.id), step.ordinal,
                         std::string(DirectionText(direction)));
}

}  // namespace

std::string RaiseIfAnyScript(std::string_view state, const std::string& query,
                             const std::string& prefix) {
  return "DO $lockstep$ DECLARE v text; BEGIN\n  SELECT string_agg(t, '; ') INTO v FROM (" + query +
         ") AS found(t);\n  IF v IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '" +
         std::string(state) + "', MESSAGE = " + QuoteLiteral(prefix) +
         " || v; END IF;\nEND $lockstep$;\n";
}

std::string StepTaskText::text() const {
  return absl::StrFormat("%s %s step %d (%s) %s", revision.service, revision.id, step.ordinal,
                         step.name, std::string(DirectionText(direction)));
}

Happening StepTaskText::Event(std::string kind, std::string message) const {
  Happening happening;
  happening.kind = std::move(kind);
  happening.message = std::move(message);
  happening.revision = revision.id;
  happening.step = step.ordinal;
  happening.step_name = step.name;
  happening.details["direction"] = std::string(DirectionText(direction));
  return happening;
}

RunSql ScriptRunSql() {
  return {.lease =
              "current_setting('lockstep.token')::bigint, current_setting('lockstep.holder')::uuid",
          .run = "current_setting('lockstep.run')::uuid",
          .actor = "current_setting('lockstep.actor')"};
}

std::string TakeLeaseScript(std::string_view kind, std::string_view target) {
  std::string sql = absl::StrFormat(
      "SET search_path = %s; SET TimeZone = 'UTC'; SET client_min_messages = warning;\n"
      "SET client_connection_check_interval = '1s';\n"
      "SELECT set_config('lockstep.holder', gen_random_uuid()::text, false),"
      " set_config('lockstep.run', gen_random_uuid()::text, false),"
      " set_config('lockstep.actor', session_user::text, false);\n",
      kSearchPath);
  sql += RaiseIfAnyScript(
      kHeadsDifferState,
      absl::StrFormat("SELECT 'version ' || coalesce(max(version), 0) FROM migration.ledger_version"
                      " HAVING coalesce(max(version), 0) <> %d",
                      LedgerVersion()),
      "the ledger does not fit this script: ");
  // As AcquireLease: a lease that ran out, or whose main session is gone, is taken over after its
  // sessions have ended.
  sql += R"sql(DO $lockstep$
DECLARE
    v_old migration.lease;
    v_token bigint;
    v_until timestamptz := clock_timestamp() + interval '60 seconds';
BEGIN
    UPDATE migration.lease AS l SET expires_at = clock_timestamp()
     WHERE id = 1 AND expires_at > clock_timestamp() AND RUNNER_IS_GONE;
    SELECT * INTO v_old FROM migration.lease WHERE id = 1;
    IF v_old.expires_at > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = 'LSL01',
            MESSAGE = 'another run is at work: ' || v_old.actor || ' on ' || v_old.host;
    END IF;
    LOOP
        PERFORM pg_stat_clear_snapshot();
        -- Not those of a runner that was faster: its token is higher.
        PERFORM pg_terminate_backend(s.pid) FROM LIVE_SESSIONS WHERE s.token <= v_old.token;
        EXIT WHEN NOT FOUND;
        IF clock_timestamp() > v_until THEN
            RAISE EXCEPTION USING ERRCODE = 'LSL01', MESSAGE = 'a connection of the runner before does not end';
        END IF;
        PERFORM pg_sleep(0.05);
    END LOOP;
    -- Nobody renews for a script. Its lease counts for a day, or until its session is gone.
    UPDATE migration.lease
       SET token = token + 1, holder = current_setting('lockstep.holder')::uuid,
           actor = current_setting('lockstep.actor'), host = 'script', run_id = current_setting('lockstep.run')::uuid,
           acquired_at = clock_timestamp(), heartbeat_at = clock_timestamp(),
           expires_at = clock_timestamp() + interval '1 day'
     WHERE id = 1 AND token = v_old.token AND holder = v_old.holder AND expires_at <= clock_timestamp()
    RETURNING token INTO v_token;
    IF v_token IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'LSL01', MESSAGE = 'another run was faster';
    END IF;
    DELETE FROM migration.runner_sessions WHERE token < v_token;
    PERFORM set_config('lockstep.token', v_token::text, false);
    PERFORM migration.register_session(v_token, current_setting('lockstep.holder')::uuid, 'runner');
    IF NOT pg_try_advisory_lock(ADVISORY) THEN
        RAISE EXCEPTION USING ERRCODE = 'LSL01', MESSAGE = 'another session holds the runner''s advisory lock';
    END IF;
END $lockstep$;
)sql";
  sql = absl::StrReplaceAll(sql, {{"ADVISORY", std::to_string(kRunnerAdvisoryLock)},
                                  {"RUNNER_IS_GONE", RunnerIsGoneSql("l.token")},
                                  {"LIVE_SESSIONS", kLiveSessions}});
  sql += absl::StrFormat(
      "INSERT INTO migration.runs (run_id, kind, target, state, actor, host)"
      " VALUES (current_setting('lockstep.run')::uuid, %s, %s, 'running', "
      "current_setting('lockstep.actor'), 'script');\n",
      QuoteLiteral(kind), QuoteLiteral(target));
  return sql;
}

std::string ExpectRevisionsScript(const std::vector<const Revision*>& revisions,
                                  const std::vector<std::string>& heads) {
  std::vector<std::string> ids;
  std::vector<std::string> checksums;
  std::vector<std::string> steps_of;
  std::vector<std::string> ordinals;
  std::vector<std::string> step_checksums;
  for (const Revision* revision : revisions) {
    ids.push_back(revision->id);
    checksums.push_back(revision->checksum);
    for (const Step& step : revision->steps) {
      steps_of.push_back(revision->id);
      ordinals.push_back(std::to_string(step.ordinal));
      step_checksums.push_back(step.checksum);
    }
  }
  const std::string wanted = TextArraySql(ids);
  // An amendment replaces checksums: both those from before and those from after it count, and of
  // the revision as a whole only its steps are compared then.
  const std::string amended =
      "EXISTS (SELECT FROM migration.amendments AS a WHERE a.kind = 'down_replaced'"
      " AND a.revision = ";
  return RaiseIfAnyScript(
      kHeadsDifferState,
      "(SELECT 'applied but not expected: ' || revision FROM migration.applied_revisions"
      " WHERE revision <> ALL (" +
          wanted +
          ")"
          " UNION ALL SELECT 'half applied: ' || revision FROM migration.applied_steps s WHERE NOT "
          "EXISTS"
          " (SELECT FROM migration.applied_revisions r WHERE r.revision = s.revision)"
          " UNION ALL SELECT 'expected but not applied: ' || w FROM unnest(" +
          wanted +
          ") AS w"
          " WHERE NOT EXISTS (SELECT FROM migration.applied_revisions r WHERE r.revision = w)"
          " UNION ALL SELECT 'applied from other files: ' || r.revision"
          " FROM migration.applied_revisions AS r JOIN unnest(" +
          wanted + ", " + TextArraySql(checksums) +
          ") AS w(revision, checksum) USING (revision) WHERE r.checksum <> w.checksum AND NOT " +
          amended +
          "r.revision)"
          " UNION ALL SELECT 'applied from other files: ' || s.revision || ' step ' || s.ordinal"
          " FROM migration.applied_steps AS s JOIN unnest(" +
          TextArraySql(steps_of) + ", " + TextArraySql(ordinals) + "::integer[], " +
          TextArraySql(step_checksums) +
          ") AS w(revision, ordinal, checksum) USING (revision, ordinal)"
          " WHERE s.checksum <> w.checksum AND NOT " +
          amended +
          "s.revision AND a.ordinal = s.ordinal AND w.checksum IN (a.old_checksum, a.new_checksum))"
          ") LIMIT 5",
      "this script starts from " +
          (heads.empty() ? std::string("base") : absl::StrJoin(heads, ", ")) + "; ");
}

std::string EventScript(const Happening& happening, const EventExtras& extras) {
  std::string more = extras.more_details.empty() ? "" : " || " + std::string(extras.more_details);
  // As record_events() does it.
  for (const std::string_view kind :
       {"run_started", "run_finished", "step_finished", "step_failed", "revision_finished"}) {
    if (happening.kind != kind) continue;
    more += " || jsonb_build_object('chain_head', migration.chain_head())";
  }
  if (!more.empty()) more.insert(0, "::jsonb");
  const std::string when =
      extras.condition.empty() ? "" : " HAVING " + std::string(extras.condition);
  return absl::StrFormat(
      "INSERT INTO migration.run_events (run_id, event_offset, at, kind, revision, step, "
      "step_name, message, details)"
      " SELECT current_setting('lockstep.run')::uuid, coalesce(max(event_offset), 0) + 1, "
      "clock_timestamp(), %s, %s, %d,"
      " %s, %s%s, %s%s FROM migration.run_events WHERE run_id = "
      "current_setting('lockstep.run')::uuid%s;\n",
      QuoteLiteral(happening.kind), QuoteLiteral(happening.revision), happening.step,
      QuoteLiteral(happening.step_name), QuoteLiteral(happening.message),
      std::string(extras.suffix), QuoteLiteral(happening.details.text()), more, when);
}

std::string StartedScript(const StepTaskText& task, const Script& script) {
  std::string sql = EventScript(task.Event("step_started", task.text()));
  if (script.is_opaque) sql += EventScript(task.Event("warning", script.file + kOpaqueWarning));
  return sql;
}

std::string LockTablesScript(const std::vector<std::string>& tables, std::string_view mode) {
  if (tables.empty()) return "";
  return "DO $lockstep$ DECLARE v text; BEGIN\n"
         "  FOR v IN SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN "
         "pg_namespace n ON n.oid ="
         " c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY (" +
         TextArraySql(tables) + ") ORDER BY 1 LOOP\n    EXECUTE 'LOCK TABLE ' || v || ' IN " +
         std::string(mode) +
         " MODE';\n  END LOOP;\n"
         "END $lockstep$;\n";
}

std::string BaselineScript(const Boundary& boundary) {
  return "SELECT set_config('lockstep.baseline', to_jsonb(b)::text, true) FROM (\n" +
         BaselineSql(boundary) + "\n) AS b;\n";
}

std::string BoundaryScript(const Boundary& boundary, const std::string& state,
                           const std::string& task) {
  const auto baseline = [](const char* key) {
    return "(current_setting('lockstep.baseline')::jsonb ->> '" + std::string(key) + "')";
  };
  return "SELECT pg_catalog.set_config('lockstep.step_state', " + std::string(StateSql()) +
         // The step may have put functions of its own in front of those that the check calls.
         ", true);\nSET LOCAL search_path = " + kSearchPath + ";\nSET LOCAL ROLE NONE;\n" +
         RaiseIfAnyScript(kTamperedState,
                          "SELECT current_setting('lockstep.step_state') WHERE "
                          "current_setting('lockstep.step_state') <> " +
                              QuoteLiteral(state),
                          task + " changed its role or limits: ") +
         RaiseIfAnyScript(kTamperedState,
                          ViolationsSql(boundary, baseline("xid"), baseline("counts"),
                                        baseline("written"), baseline("referenced")),
                          task + " left the schemas of its service: ");
}

std::string ExpectationScript(const Revision& revision, const std::string& check_id,
                              const std::string& statement) {
  const std::string revision_id = QuoteLiteral(revision.id) + "::text";
  // A query without a row checks nothing.
  return "SELECT set_config('lockstep.checks', (current_setting('lockstep.checks')::jsonb || "
         "coalesce((SELECT"
         " jsonb_agg(jsonb_build_object('revision', " +
         revision_id +
         ", 'check_id', e.a::text,"
         " 'expected', coalesce(e.b::text, 'NULL'), 'actual', coalesce(e.c::text, 'NULL'),"
         " 'passed', e.b::text IS NOT DISTINCT FROM e.c::text)) FROM (\n" +
         statement + "\n) AS e(a, b, c)), jsonb_build_array(jsonb_build_object('revision', " +
         revision_id + ", 'check_id', " + QuoteLiteral(check_id) +
         "::text, 'expected', 'a row', 'actual', 'no row', 'passed', false))))::text, true);\n";
}

std::string CheckExpectationsScript(const StepTaskText& task) {
  const Happening event = task.Event("expectation", "");
  return RaiseIfAnyScript(
             kExpectationFailedState,
             "SELECT c ->> 'check_id' || ': expected ' || (c ->> 'expected') || ', found ' "
             "|| (c ->> 'actual')"
             " FROM jsonb_array_elements(current_setting('lockstep.checks')::jsonb) AS c"
             " WHERE NOT (c ->> 'passed')::boolean",
             task.text() + " was rolled back: ") +
         absl::StrFormat(
             "INSERT INTO migration.run_events (run_id, event_offset, at, kind, revision, step, "
             "step_name, message,"
             " details) SELECT current_setting('lockstep.run')::uuid, (SELECT "
             "coalesce(max(event_offset), 0) FROM"
             " migration.run_events WHERE run_id = current_setting('lockstep.run')::uuid) + c.n, "
             "clock_timestamp(),"
             " 'expectation', %s, %d, %s, c.v ->> 'check_id' || ' holds: expected ' || (c.v ->> "
             "'expected') ||"
             " ', found ' || (c.v ->> 'actual'), (c.v - 'revision') || '{\"direction\": \"up\"}'"
             " FROM jsonb_array_elements(current_setting('lockstep.checks')::jsonb) WITH "
             "ORDINALITY AS c(v, n);\n",
             QuoteLiteral(event.revision), event.step, QuoteLiteral(event.step_name));
}

std::string RecordChecksScript() {
  return "SELECT migration.record_checks(current_setting('lockstep.run')::uuid,"
         " current_setting('lockstep.checks')::jsonb);\n";
}

std::string IntentScript(const Revision& revision, const Step& step, Direction direction,
                         int number, const std::string& statement) {
  return absl::StrFormat(
      "INSERT INTO migration.step_intents (revision, ordinal, direction, statement_number, "
      "statement, token, run_id,"
      " backend_pid) VALUES (%s, %d, '%s', %d, %s, current_setting('lockstep.token')::bigint,"
      " current_setting('lockstep.run')::uuid, pg_backend_pid())"
      // One that died may have left it.
      " ON CONFLICT (revision, ordinal, direction, statement_number) DO UPDATE SET statement ="
      " excluded.statement, token = excluded.token, run_id = excluded.run_id, backend_pid ="
      " excluded.backend_pid, recorded_at = excluded.recorded_at;\n",
      QuoteLiteral(revision.id), step.ordinal, std::string(DirectionText(direction)), number,
      QuoteLiteral(statement));
}

std::string ForgetIntentsScript(const Revision& revision, const Step& step, Direction direction) {
  return "DELETE FROM migration.step_intents WHERE " + StepKey(revision, step, direction) + ";\n";
}

std::string IndexIsValidScript(const IndexBuild& build) {
  return RaiseIfAnyScript(
      "LSE01",
      "SELECT " + QuoteLiteral(build.schema + "." + build.name) +
          " WHERE NOT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
          " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = " +
          QuoteLiteral(build.schema) + " AND c.relname = " + QuoteLiteral(build.name) +
          " AND i.indisvalid AND i.indisready)",
      "the index is missing or invalid: ");
}

std::string FinishScript() {
  return "\nBEGIN;\nSELECT migration.assert_lease(" + ScriptRunSql().lease + ");\n" +
         EventScript(
             {.kind = "run_finished",
              .message = "done",
              .details = JsonObject(nlohmann::json{{"state", "succeeded"}, {"reason", ""}})}) +
         "UPDATE migration.runs r SET state = 'succeeded', finished_at = clock_timestamp(), "
         "steps_total ="
         " (SELECT count(*) FROM migration.step_log l WHERE l.run_id = r.run_id)"
         " WHERE run_id = current_setting('lockstep.run')::uuid;\n"
         "DELETE FROM migration.runner_sessions WHERE token = "
         "current_setting('lockstep.token')::bigint;\n"
         "UPDATE migration.lease SET expires_at = '-infinity'"
         " WHERE id = 1 AND token = current_setting('lockstep.token')::bigint;\n"
         "COMMIT;\nSELECT pg_advisory_unlock_all();\n";
}

}  // namespace lockstep::migration
