#include "services/migration/engine/run/rewrite/view_swap.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

// $1, $2: schemas and names of the views that are dropped. What hangs on them, deepest first; row
// types and the rules that make a view are no news. `at` is the name for messages.
constexpr char kDependentsSql[] = R"(
WITH RECURSIVE goes(classid, objid, depth) AS (
    SELECT 'pg_class'::regclass::oid, c.oid, 0
      FROM unnest($1::text[], $2::text[]) AS r(schema, name)
      JOIN pg_namespace AS n ON n.nspname = r.schema
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = r.name
    UNION
    SELECT s.classid, s.objid, g.depth + 1
      FROM goes AS g
      JOIN pg_depend AS d ON d.refclassid = g.classid AND d.refobjid = g.objid
      LEFT JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
     CROSS JOIN LATERAL (SELECT CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass::oid END AS classid,
                                coalesce(w.ev_class, d.objid) AS objid) AS s
     WHERE (s.classid, s.objid) <> (g.classid, g.objid) AND g.depth < 64
), named AS (
    SELECT g.classid, g.objid, max(g.depth) AS depth FROM goes AS g GROUP BY 1, 2
)
SELECT coalesce(n.nspname, '') AS schema, coalesce(c.relname, '') AS name,
       coalesce(c.relkind::text, '') AS kind, pg_describe_object(k.classid, k.objid, 0) AS what
  FROM named AS k
  LEFT JOIN pg_class AS c ON k.classid = 'pg_class'::regclass AND c.oid = k.objid
  LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE k.classid NOT IN ('pg_trigger'::regclass, 'pg_attrdef'::regclass)
   AND coalesce(c.relkind, '?') NOT IN ('i', 't')
   AND k.classid <> 'pg_type'::regclass
 ORDER BY k.depth DESC, what
)";

// What makes a view and everything that belongs to it, as statements in their order. $1, $2: schema
// and name. `part`: view, index, grant, ...; `name`: of the index or column that it is about.
constexpr char kPartsSql[] = R"(
WITH v AS (
    SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS identity, c.relacl, c.relowner,
           CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS words, c.relispopulated,
           array_to_string(c.reloptions, ', ') AS options, s.spcname,
           obj_description(c.oid, 'pg_class') AS remark
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
     WHERE n.nspname = $1 AND c.relname = $2
)
SELECT 0 AS place, 'view' AS part, '' AS name,
       format('CREATE %s %s%s%s AS %s%s', words, identity, ' WITH (' || options || ')',
              ' TABLESPACE ' || quote_ident(spcname), rtrim(pg_get_viewdef(oid), ';'),
              CASE WHEN relkind = 'm' AND NOT relispopulated THEN ' WITH NO DATA' ELSE '' END) AS statement
  FROM v
UNION ALL
SELECT 1, 'options', '', format('ALTER %s %s SET (%s)', words, identity, options)
  FROM v WHERE options IS NOT NULL
UNION ALL
SELECT 2, 'index', i.relname, pg_get_indexdef(i.oid)
  FROM v JOIN pg_index AS x ON x.indrelid = v.oid JOIN pg_class AS i ON i.oid = x.indexrelid
UNION ALL
SELECT 3, 'index', i.relname, format('COMMENT ON INDEX %I.%I IS %L', n.nspname, i.relname, obj_description(i.oid, 'pg_class'))
  FROM v JOIN pg_index AS x ON x.indrelid = v.oid JOIN pg_class AS i ON i.oid = x.indexrelid
  JOIN pg_namespace AS n ON n.oid = i.relnamespace
 WHERE obj_description(i.oid, 'pg_class') IS NOT NULL
UNION ALL
SELECT 4, 'column', a.attname, format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', identity, a.attname, pg_get_expr(d.adbin, d.adrelid))
  FROM v JOIN pg_attrdef AS d ON d.adrelid = v.oid JOIN pg_attribute AS a ON a.attrelid = v.oid AND a.attnum = d.adnum
UNION ALL
SELECT 5, 'rule', w.rulename, rtrim(pg_get_ruledef(w.oid), ';')
  FROM v JOIN pg_rewrite AS w ON w.ev_class = v.oid AND w.rulename <> '_RETURN'
UNION ALL
SELECT 6, 'trigger', t.tgname, pg_get_triggerdef(t.oid)
  FROM v JOIN pg_trigger AS t ON t.tgrelid = v.oid AND NOT t.tgisinternal
UNION ALL
SELECT 7, 'grant', '', format($do$DO $lockstep$
DECLARE
    g record;
BEGIN
    FOR g IN SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee
               FROM pg_class AS c, aclexplode(c.relacl) AS x WHERE c.oid = %L::regclass AND x.grantee <> c.relowner LOOP
        EXECUTE 'REVOKE ALL ON %s FROM ' || g.grantee;
    END LOOP;
END $lockstep$$do$, identity, identity) FROM v
UNION ALL
SELECT 8, 'grant', '', format('GRANT %s ON %s TO %s%s', x.privilege_type, identity,
              CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
              CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM v, aclexplode(v.relacl) AS x WHERE x.grantee <> v.relowner
UNION ALL
SELECT 9, 'column', a.attname, format('GRANT %s (%I) ON %s TO %s%s', x.privilege_type, a.attname, identity,
              CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
              CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM v JOIN pg_attribute AS a ON a.attrelid = v.oid AND a.attnum > 0 AND NOT a.attisdropped,
       aclexplode(a.attacl) AS x
UNION ALL
SELECT 10, 'comment', '', format('COMMENT ON %s %s IS %L', words, identity, remark) FROM v WHERE remark IS NOT NULL
UNION ALL
SELECT 11, 'column', a.attname, format('COMMENT ON COLUMN %s.%I IS %L', identity, a.attname, col_description(v.oid, a.attnum))
  FROM v JOIN pg_attribute AS a ON a.attrelid = v.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE col_description(v.oid, a.attnum) IS NOT NULL
UNION ALL
SELECT 12, 'owner', '', format('ALTER %s %s OWNER TO %I', words, identity, pg_get_userbyid(relowner))
  FROM v WHERE pg_get_userbyid(relowner) <> current_user
 ORDER BY place, name, statement
)";

struct Part {
  std::string part;
  std::string name;
  std::string statement;
};

struct Dependent {
  std::string schema;
  std::string name;
  bool is_materialized = false;

  std::string DropSql() const {
    return absl::StrCat("DROP ", is_materialized ? "MATERIALIZED " : "", "VIEW ",
                        pg::QuoteIdentifier(schema), ".", pg::QuoteIdentifier(name));
  }
};

absl::StatusOr<std::vector<Part>> PartsOf(pg::Connection& connection, const std::string& schema,
                                          const std::string& name) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Query(kPartsSql, schema, name));
  std::vector<Part> parts;
  for (const pg::Row row : rows) {
    parts.push_back({row.Text("part"), row.Text("name"), row.Text("statement")});
  }
  return parts;
}

// Puts the statements of one rewrite together.
class Swap {
 public:
  Swap(const StepTask& task, const std::vector<ViewStatement>& script,
       const std::vector<RewrittenView>& views, pg::Connection& connection)
      : task_(task), script_(script), views_(views), connection_(connection) {}

  absl::Status Prepare(Prepared& prepared);

 private:
  absl::Status CheckUnchanged() const;
  absl::Status FindDependents();
  // What the view of a statement that makes it anew has to get back.
  absl::StatusOr<std::vector<std::string>> BelongingsOf(const ViewStatement& statement) const;
  bool IsMadeByScript(const std::string& index) const;
  const RewrittenView* CompareOf(const ViewStatement& statement) const;

  const StepTask& task_;
  const std::vector<ViewStatement>& script_;
  const std::vector<RewrittenView>& views_;
  pg::Connection& connection_;
  std::vector<Dependent> dependents_;  // in the order of drops
};

absl::Status Swap::CheckUnchanged() const {
  for (const RewrittenView& view : views_) {
    ASSIGN_OR_RETURN(const std::string now, DefinitionOf(connection_, view.schema, view.name));
    if (now == view.old_definition) continue;
    return Error(absl::StatusCode::kFailedPrecondition, "VIEW_CHANGED",
                 task_.text() + " was rolled back: " + view.view() +
                     " is no longer what it was when it was compared; run the upgrade again");
  }
  return absl::OkStatus();
}

absl::Status Swap::FindDependents() {
  std::vector<std::string> schemas;
  std::vector<std::string> names;
  std::set<std::string> made;
  std::set<std::string> replaced;
  for (const ViewStatement& statement : script_) {
    if (statement.kind == ViewStatement::Kind::kReplace) replaced.insert(statement.view());
    if (statement.kind != ViewStatement::Kind::kDrop) continue;
    schemas.push_back(statement.schema);
    names.push_back(statement.name);
    made.insert(statement.view());
  }
  if (names.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      connection_.Query(kDependentsSql, pg::ArrayLiteral(schemas), pg::ArrayLiteral(names)));
  std::vector<std::string> others;
  for (const pg::Row row : rows) {
    const std::string view = row.Text("schema") + "." + row.Text("name");
    if (made.contains(view)) continue;
    if (replaced.contains(view)) {
      return Error(absl::StatusCode::kFailedPrecondition, "VIEW_IN_USE",
                   task_.text() + " replaces " + view +
                       ", which hangs on a view that it drops; drop it as well, before that one");
    }
    const std::string kind = row.Text("kind");
    if ((kind == "v" || kind == "m") && OwnerOf(row.Text("schema")) == task_.revision.service) {
      dependents_.push_back({row.Text("schema"), row.Text("name"), kind == "m"});
    } else {
      others.push_back(row.Text("what"));
    }
  }
  if (others.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "VIEW_IN_USE",
               task_.text() + " would have to drop what it may not make again: " +
                   absl::StrJoin(others, ", ") +
                   "; let its owner move it away in a revision first");
}

const RewrittenView* Swap::CompareOf(const ViewStatement& statement) const {
  for (const RewrittenView& view : views_) {
    if (view.schema == statement.schema && view.name == statement.name) return &view;
  }
  return nullptr;
}

bool Swap::IsMadeByScript(const std::string& index) const {
  return std::ranges::any_of(
      script_, [&](const ViewStatement& statement) { return statement.index == index; });
}

absl::StatusOr<std::vector<std::string>> Swap::BelongingsOf(const ViewStatement& statement) const {
  ASSIGN_OR_RETURN(const std::vector<Part> parts,
                   PartsOf(connection_, statement.schema, statement.name));
  const bool was_materialized =
      !parts.empty() && parts[0].statement.starts_with("CREATE MATERIALIZED");
  const bool keeps_kind = was_materialized == statement.is_materialized;
  const bool is_replaced = statement.kind == ViewStatement::Kind::kReplace;
  const RewrittenView* view = CompareOf(statement);
  const auto has_column = [&](const std::string& name) {
    return view == nullptr ||
           std::ranges::find(view->new_columns, name, &ViewColumn::name) != view->new_columns.end();
  };
  std::vector<std::string> statements;
  for (const Part& part : parts) {
    // CREATE OR REPLACE keeps everything but the options; those that the script states count.
    if (part.part == "view" || (is_replaced && part.part != "options")) continue;
    if (part.part == "options" && statement.states_options) continue;
    if (part.part == "index" && (!keeps_kind || IsMadeByScript(part.name))) continue;
    const bool is_of_kind = part.part == "options" || part.part == "rule" ||
                            part.part == "trigger" || part.statement.starts_with("ALTER VIEW");
    if (is_of_kind && !keeps_kind) continue;
    if (part.part == "column" && !has_column(part.name)) continue;
    std::string text = part.statement;
    // A comment names the kind that the view has now.
    if (part.part == "comment" && !keeps_kind) {
      const std::string_view was = was_materialized ? "MATERIALIZED VIEW" : "VIEW";
      text.replace(std::string_view("COMMENT ON ").size(), was.size(),
                   statement.is_materialized ? "MATERIALIZED VIEW" : "VIEW");
    }
    statements.push_back(std::move(text));
  }
  return statements;
}

absl::Status Swap::Prepare(Prepared& prepared) {
  RETURN_IF_ERROR(CheckUnchanged());
  RETURN_IF_ERROR(FindDependents());
  std::vector<std::string> statements;
  std::vector<std::string> again;
  for (const Dependent& dependent : dependents_) {
    statements.push_back(dependent.DropSql());
    prepared.events.push_back(
        task_.Event("view_made_again", dependent.schema + "." + dependent.name +
                                           " was dropped and made again: it reads what changed"));
  }
  for (auto dependent = dependents_.rbegin(); dependent != dependents_.rend(); ++dependent) {
    ASSIGN_OR_RETURN(const std::vector<Part> parts,
                     PartsOf(connection_, dependent->schema, dependent->name));
    for (const Part& part : parts) {
      if (part.part != "options") again.push_back(part.statement);
    }
  }
  for (std::size_t i = 0; i < prepared.statements.size(); ++i) {
    statements.push_back(prepared.statements[i]);
    if (i >= script_.size() || !script_[i].MakesView()) continue;
    ASSIGN_OR_RETURN(const std::vector<std::string> belongings, BelongingsOf(script_[i]));
    statements.insert(statements.end(), belongings.begin(), belongings.end());
  }
  statements.insert(statements.end(), again.begin(), again.end());
  prepared.statements = std::move(statements);
  return absl::OkStatus();
}

}  // namespace

absl::Status PrepareSwap(const StepTask& task, const std::vector<ViewStatement>& script,
                         const std::vector<RewrittenView>& views, pg::Connection& connection,
                         Prepared& prepared) {
  RETURN_IF_ERROR(Swap(task, script, views, connection).Prepare(prepared));
  prepared.check = [&task, views](pg::Connection& asked) -> absl::Status {
    for (const RewrittenView& view : views) {
      ASSIGN_OR_RETURN(const std::string now, DefinitionOf(asked, view.schema, view.name));
      if (now == view.new_definition) continue;
      return Error(absl::StatusCode::kFailedPrecondition, "VIEW_CHANGED",
                   task.text() + " was rolled back: " + view.view() +
                       " would not be what was compared; run the upgrade again");
    }
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

}  // namespace lockstep::migration
