#include "services/migration/engine/run/script_guard.h"

#include <set>

#include "absl/strings/str_replace.h"
#include "common/pg/connection.h"
#include "services/migration/engine/run/holdings.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/statement_text.h"
#include "services/migration/engine/run/undo.h"
#include "services/migration/engine/run/undone_changes.h"
#include "services/migration/engine/sha256.h"

namespace lockstep::migration {
namespace {

using pg::QuoteLiteral;

// PL/pgSQL that appends to v_found what the guard finds.
std::string AskSql(const Script& guard) {
  const auto column = [](int n) {
    return "(SELECT e.value #>> '{}' FROM json_each(row_to_json(g)) WITH ORDINALITY AS e(key, "
           "value, n) WHERE e.n = " +
           std::to_string(n) + ")";
  };
  std::string sql;
  for (const std::string& statement : guard.statements) {
    sql +=
        "  SELECT nullif(concat_ws('; ', v_found, string_agg(t, '; ')), '') INTO v_found FROM "
        "(SELECT coalesce(" +
        column(1) + ", '(unnamed)') || ': ' || c.n FROM (\n" + statement +
        "\n) AS g CROSS JOIN LATERAL (SELECT CASE WHEN (SELECT count(*) FROM "
        "json_object_keys(row_to_json(g))) < 2 THEN 1 ELSE coalesce(" +
        column(2) + "::bigint, 0) END) AS c(n) WHERE c.n > 0) AS found(t);\n";
  }
  return sql;
}

std::string RefuseSql(const Revision& revision) {
  return std::string("  IF v_found IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '") +
         kGuardRefusedState + "', MESSAGE = " +
         QuoteLiteral("undoing revision " + revision.id + " (" + revision.title +
                      ") would destroy: ") +
         " || v_found; END IF;\n";
}

// PL/pgSQL that puts into v_held what is there of what the scripts take (holdings.h).
constexpr char kHoldings[] = R"sql(
  v_held := '{}';
  FOR v_name, v_from IN SELECT DISTINCT t.name, t.quoted FROM unnest(TABLES, QUOTED) AS t(name, quoted)
                         WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass(t.quoted)
                                                                AND c.relkind IN ('r', 'p'))
  LOOP
    EXECUTE format('SELECT jsonb_build_object(%L, jsonb_build_object(''count'', count(*), ''digest'','
                   ' coalesce(sum(hashtextextended((t.*)::text, 0)::numeric), 0)::text)) FROM %s AS t', v_name, v_from)
       INTO v_one;
    v_held := v_held || v_one;
  END LOOP;
  FOR v_name, v_from, v_value, v_key, v_usual IN
      SELECT DISTINCT t.name || '.' || a.attname, t.quoted, format('t.%I', a.attname),
             (SELECT coalesce(string_agg(format('t.%I', k.attname), ', ' ORDER BY k.attnum) || ', ', '')
                FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid
                 AND k.attnum = ANY (i.indkey::smallint[])
               WHERE i.indisprimary AND i.indrelid = a.attrelid),
             coalesce(CASE WHEN d.adbin::text ~ '^\{(RELABELTYPE :arg \{)?CONST '
                           THEN pg_get_expr(d.adbin, d.adrelid) END, 'NULL')
        FROM unnest(OF_TABLES, OF_QUOTED, COLUMNS) AS t(name, quoted, column_name)
        JOIN pg_attribute a ON a.attrelid = to_regclass(t.quoted) AND a.attname = t.column_name AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LOOP
    EXECUTE format('SELECT jsonb_build_object(%1$L, jsonb_build_object(''count'', count(*), ''digest'','
                   ' coalesce(sum(hashtextextended((ROW(%2$s%3$s))::text, 0)::numeric), 0)::text)) FROM %4$s AS t'
                   ' WHERE %3$s IS NOT NULL AND %3$s::text IS DISTINCT FROM (%5$s)::text',
                   v_name, v_key, v_value, v_from, v_usual)
       INTO v_one;
    v_held := v_held || v_one;
  END LOOP;
)sql";

std::string HoldingsSql(const std::vector<const Script*>& scripts) {
  std::vector<std::string> tables;
  std::vector<std::string> quoted;
  std::vector<std::string> of_tables;
  std::vector<std::string> of_quoted;
  std::vector<std::string> columns;
  for (const Script* script : scripts) {
    for (const auto* names : {&script->facts.tables_dropped, &script->facts.rows_destroyed_in}) {
      for (const std::string& table : *names) {
        tables.push_back(table);
        quoted.push_back(QuotedName(table));
      }
    }
    for (const ColumnName& column : script->facts.columns_dropped) {
      of_tables.push_back(column.table);
      of_quoted.push_back(QuotedName(column.table));
      columns.push_back(column.column);
    }
  }
  return absl::StrReplaceAll(kHoldings, {{"OF_TABLES", TextArraySql(of_tables)},
                                         {"OF_QUOTED", TextArraySql(of_quoted)},
                                         {"TABLES", TextArraySql(tables)},
                                         {"QUOTED", TextArraySql(quoted)},
                                         {"COLUMNS", TextArraySql(columns)}});
}

// The guard could not be asked: the step takes only what it has seen.
std::string TakeOnlyWhatWasSeenSql(const Script& down) {
  std::string sql = "  IF v_is_broken THEN\n";
  if (down.is_opaque || down.facts.has_hidden_code) {
    sql += "  v_found := " + QuoteLiteral("what " + down.file + " hides: 1") + ";\n";
  }
  return sql + HoldingsSql({&down}) +
         "  SELECT nullif(concat_ws('; ', v_found, string_agg('values of ' || h.key || ' that the "
         "guard has not seen: ' || (h.value ->> 'count'), '; ' ORDER BY h.key)), '') INTO v_found\n"
         "    FROM jsonb_each(v_held) AS h WHERE (h.value ->> 'count')::bigint > 0\n"
         "     AND h.value IS DISTINCT FROM "
         "(coalesce(nullif(current_setting('lockstep.silent', true), ''), '{}')::jsonb -> h.key);\n"
         "  END IF;\n";
}

bool Asks(const ScriptUndo& undo) {
  return !undo.revision.guard.empty() && (undo.is_first || TakesAway(undo.step.down));
}

bool Remembers(const ScriptUndo& undo) {
  return Asks(undo) && RemembersSilence(undo.step.down, undo.revision.guard, undo.later);
}

constexpr char kDeclare[] =
    "DO $lockstep$ DECLARE v_found text; v_is_broken boolean := false; v_held jsonb; v_one jsonb; "
    "v_name text; v_from text; v_value text; v_key text; v_usual text; BEGIN\n";

// As the archived copies are what an online run executes, and this script brings its own.
std::string SameScriptsSql(const Graph& graph, const Plan& plan) {
  std::string rows;
  const auto add = [&](const Revision& revision, int ordinal, const char* role,
                       const Script& script) {
    if (script.empty() && script.text.empty()) return;
    rows += (rows.empty() ? "(" : ", (") + QuoteLiteral(revision.id) + ", " +
            std::to_string(ordinal) + ", '" + role + "', " + QuoteLiteral(script.file) + ", '" +
            Sha256Hex(script.text) + "')";
  };
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      add(revision, revision.steps[index].ordinal, "down", revision.steps[index].down);
    }
    add(revision, 0, "guard", revision.guard);
  }
  if (rows.empty()) return "";
  return RaiseIfAnyScript(
      kHeadsDifferState,
      "SELECT w.file FROM (VALUES " + rows +
          ") AS w(revision, ordinal, role, file, hash) WHERE NOT EXISTS (SELECT FROM "
          "migration.archived_scripts AS s WHERE s.revision = w.revision AND s.ordinal = w.ordinal"
          " AND s.role = w.role AND s.sha256 = w.hash"
          " AND s.sha256 = encode(sha256(convert_to(s.body, 'UTF8')), 'hex'))",
      "the archived undo is not the one of this script: ");
}

std::string NoInstancesSql(const Graph& graph, const Plan& plan) {
  std::vector<std::string> ids;
  for (const PlanItem& item : plan.items) ids.push_back(graph.at(item.position).id);
  return RaiseIfAnyScript(
      kRequiredByInstanceState,
      "SELECT revision || ' by ' || service || ' ' || CASE WHEN instance_id = ''"
      " THEN build || ' (kept as a rollback candidate)'"
      " ELSE instance_id || ' (' || address || ')' END"
      " FROM migration.requirements WHERE revision = ANY (" +
          TextArraySql(ids) + ") ORDER BY 1",
      "revisions are required by running instances: ");
}

}  // namespace

std::string GuardScript(const ScriptUndo& undo) {
  std::string sql;
  if (undo.is_first) sql += "SELECT set_config('lockstep.silent', '{}', false);\n";
  if (!Asks(undo)) return sql;
  const Script& guard = undo.revision.guard;
  const Script& down = undo.step.down;
  const bool remembers = Remembers(undo);
  const UndoLocks locks = LocksOf(undo.revision, down, ReadInUndo(guard, remembers, undo.later));
  sql += LockTablesScript({locks.exclusive.begin(), locks.exclusive.end()}, "ACCESS EXCLUSIVE") +
         LockTablesScript({locks.shared.begin(), locks.shared.end()}, "SHARE ROW EXCLUSIVE");
  sql += kDeclare;
  // Of the first step nothing is gone yet: a guard that fails there is an error.
  sql += undo.is_first ? AskSql(guard)
                       : "  BEGIN\n" + AskSql(guard) +
                             "  EXCEPTION WHEN undefined_table OR undefined_column THEN\n"
                             "    v_found := NULL; v_is_broken := true;\n  END;\n";
  if (!undo.is_first && TakesAway(down)) sql += TakeOnlyWhatWasSeenSql(down);
  sql += RefuseSql(undo.revision);
  sql += "  PERFORM set_config('lockstep.is_silent', (NOT v_is_broken)::text, true);\n";
  if (remembers) {
    sql += "  IF NOT v_is_broken THEN\n" + HoldingsSql(undo.later) +
           "  PERFORM set_config('lockstep.silent', v_held::text, false);\n  END IF;\n";
  }
  return sql + "END $lockstep$;\n";
}

std::string GuardSilentScript(const ScriptUndo& undo) {
  if (!Remembers(undo)) return "";
  const StepTaskText task{undo.revision, undo.step, Direction::kDown};
  return EventScript(
      task.Event("guard_silent",
                 task.text() + ": the guard finds nothing to lose in what the steps after it take"),
      {.more_details = "jsonb_build_object('holdings', current_setting('lockstep.silent')::jsonb)",
       .condition = "current_setting('lockstep.is_silent')::boolean"});
}

std::string PreflightScript(const Graph& graph, const Plan& plan) {
  std::string sql =
      "\n-- what stands against it\n" + SameScriptsSql(graph, plan) + NoInstancesSql(graph, plan);
  UndoneChanges before;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    if (!revision.guard.empty() && !before.MayChangeWhatIsRead(revision.guard)) {
      sql +=
          "BEGIN READ ONLY;\n" + EnterRoleSql(OwnerRole(revision.service)) + kDeclare +
          "  BEGIN\n" + AskSql(revision.guard) +
          // It may speak of what a later revision changed.
          "  EXCEPTION WHEN undefined_table OR undefined_column THEN v_found := NULL;\n  END;\n" +
          RefuseSql(revision) + "END $lockstep$;\nCOMMIT;\n";
    }
    before.Add(revision);
  }
  return sql;
}

}  // namespace lockstep::migration
