#include "services/migration/engine/run/rewrite/rewritten_view.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"

namespace lockstep::migration {
namespace {

// $1, $2: schema and name.
constexpr char kDefinitionSql[] = R"(
SELECT pg_catalog.pg_get_viewdef(c.oid) AS definition
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('v', 'm')
)";

constexpr char kColumnsSql[] = R"(
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END AS base,
       coalesce(co.collname, '') AS collation
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_collation AS co ON co.oid = a.attcollation
 WHERE n.nspname = $1 AND c.relname = $2
 ORDER BY a.attnum
)";

// The definitions of the views that this one reads, at any depth.
constexpr char kReadSql[] = R"(
WITH RECURSIVE reads(oid) AS (
    SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2
    UNION
    SELECT v.oid FROM reads AS r
      JOIN pg_rewrite AS w ON w.ev_class = r.oid
      JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                         AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.oid
      JOIN pg_class AS v ON v.oid = d.refobjid AND v.relkind = 'v'
)
SELECT pg_get_viewdef(v.oid) AS definition
  FROM reads AS r JOIN pg_class AS v ON v.oid = r.oid JOIN pg_namespace AS n ON n.oid = v.relnamespace
 WHERE (n.nspname, v.relname) <> ($1::name, $2::name)
)";

absl::StatusOr<std::vector<ViewColumn>> ColumnsOf(pg::Connection& connection,
                                                  const std::string& schema,
                                                  const std::string& name) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kColumnsSql, schema, name));
  std::vector<ViewColumn> columns;
  for (const pg::Row row : rows) {
    columns.push_back({.name = row.Text("name"),
                       .type = row.Text("type"),
                       .base = row.Text("base"),
                       .collation = row.Text("collation")});
  }
  return columns;
}

absl::Status AddRead(pg::Connection& connection, const std::string& schema, const std::string& name,
                     std::vector<std::string>& definitions) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kReadSql, schema, name));
  for (const pg::Row row : rows) definitions.push_back(row.Text("definition"));
  return absl::OkStatus();
}

// Looks at the views inside the transaction that is rolled back.
absl::StatusOr<std::vector<RewrittenView>> Look(RunSession& session, const StepTask& task,
                                                const std::vector<ViewStatement>& script) {
  pg::Connection& connection = session.connection;
  std::vector<RewrittenView> views;
  for (std::size_t i = 0; i < script.size(); ++i) {
    const ViewStatement& statement = script[i];
    if (!statement.MakesView()) continue;
    RETURN_IF_ERROR(MayGoOn(session));
    RewrittenView view;
    view.schema = statement.schema;
    view.name = statement.name;
    ASSIGN_OR_RETURN(view.old_definition,
                     DefinitionOf(connection, statement.schema, statement.name));
    if (view.old_definition.empty()) {
      return Error(absl::StatusCode::kFailedPrecondition, "VIEW_MISSING",
                   task.text() + ": there is no view " + view.view() +
                       " that it could rewrite; a new view is created in a step of another kind");
    }
    ASSIGN_OR_RETURN(view.old_columns, ColumnsOf(connection, view.schema, view.name));
    RETURN_IF_ERROR(AddRead(connection, view.schema, view.name, view.read_definitions));
    const std::string candidate = absl::StrCat("lockstep_candidate_", i);
    const absl::Status made =
        connection
            .Script(absl::StrCat("CREATE VIEW ", pg::QuoteIdentifier(view.schema), ".", candidate,
                                 " ", statement.columns, " AS ", statement.query))
            .status();
    if (!made.ok()) {
      if (IsNotAboutSql(session, made)) return made;
      const int line = i < task.script.lines.size() ? task.script.lines[i] : 0;
      return ScriptError("STEP_FAILED",
                         absl::StrCat(task.text(), " failed at ", task.script.file, ":", line,
                                      ", in the query of ", view.view()),
                         made);
    }
    ASSIGN_OR_RETURN(view.new_definition, DefinitionOf(connection, view.schema, candidate));
    ASSIGN_OR_RETURN(view.new_columns, ColumnsOf(connection, view.schema, candidate));
    RETURN_IF_ERROR(AddRead(connection, view.schema, candidate, view.read_definitions));
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace

bool IsNotAboutSql(const RunSession& session, const absl::Status& status) {
  return IsAboutLocks(status) || session.connection.is_lost() || pg::SqlStateOf(status).empty();
}

absl::StatusOr<std::string> DefinitionOf(pg::Connection& connection, const std::string& schema,
                                         const std::string& name) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kDefinitionSql, schema, name));
  return rows.empty() ? std::string() : rows[0].Text("definition");
}

absl::StatusOr<std::vector<RewrittenView>> LookAtViews(RunSession& session, const StepTask& task,
                                                       const std::vector<ViewStatement>& script) {
  std::vector<RewrittenView> views;
  const auto once = [&]() -> absl::Status {
    RETURN_IF_ERROR(session.connection
                        .Script(BeginSql(session.sql, task.step.limits) +
                                EnterRoleSql(OwnerRole(task.revision.service)))
                        .status());
    ASSIGN_OR_RETURN(views, Look(session, task, script));
    return session.connection.Script("ROLLBACK").status();
  };
  RETURN_IF_ERROR(RetryOnLocks(session, task, session.connection, once));
  return views;
}

}  // namespace lockstep::migration
