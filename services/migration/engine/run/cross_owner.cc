#include "services/migration/engine/run/cross_owner.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {
namespace {

// $1 to $3: schema, name and column ("" = the whole relation) of what goes.
constexpr char kDependents[] = R"sql(
WITH RECURSIVE asked AS (
    SELECT a.schema, a.name, a.part, c.oid, coalesce(t.attnum, 0)::integer AS attnum
      FROM unnest($1::text[], $2::text[], $3::text[]) AS a (schema, name, part)
      JOIN pg_namespace AS n ON n.nspname = a.schema
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.name
      LEFT JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attname = a.part
     WHERE a.part = '' OR t.attnum IS NOT NULL
), goes AS (
    SELECT schema, name, part, oid, attnum, NULL::oid AS key FROM asked
    UNION
    SELECT g.schema, g.name, g.part, coalesce(r.ev_class, k.conrelid), 0, k.oid
      FROM goes AS g
      JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = g.oid
                         AND (g.attnum = 0 OR d.refobjsubid = g.attnum)
      LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
                               AND r.ev_class <> g.oid
      LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
                                  AND k.contype = 'f' AND k.conrelid <> g.oid
     -- A foreign key goes alone: its table stays, and so does what depends on that.
     WHERE g.key IS NULL AND (r.oid IS NOT NULL OR k.oid IS NOT NULL)
)
SELECT DISTINCT g.schema, g.name, g.part, n.nspname AS in_schema,
       n.nspname || '.' || c.relname AS relation, coalesce(k.conname, '') AS key
  FROM goes AS g
  JOIN pg_class AS c ON c.oid = g.oid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint AS k ON k.oid = g.key
 WHERE NOT EXISTS (SELECT FROM asked AS a WHERE a.oid = g.oid AND g.key IS NULL)
 ORDER BY 1, 2, 3, 5, 6
)sql";

// "" -> the schema itself: what no service owns belongs to somebody else all the same.
std::string OwnerText(const std::string& schema) {
  const std::string_view owner = OwnerOf(schema);
  return owner.empty() ? "schema " + schema : std::string(owner);
}

struct Root {
  std::string table;  // "schema.name"
  std::string part;
};

std::vector<Root> RootsOf(const Script& script, const std::set<std::string>& cascading) {
  std::vector<Root> roots;
  const ScriptFacts& facts = script.facts;
  for (const std::string& table : facts.tables_dropped) roots.push_back({table, ""});
  for (const ColumnName& column : facts.columns_dropped) {
    roots.push_back({column.table, column.column});
  }
  if (std::ranges::find(facts.tags, "DROP VIEW") != facts.tags.end()) {
    for (const std::string& view : cascading) roots.push_back({view, ""});
  }
  return roots;
}

bool MayDropAnything(const ScriptFacts& facts) {
  return !facts.tables_dropped.empty() || !facts.columns_dropped.empty() ||
         std::ranges::find(facts.tags, "DROP VIEW") != facts.tags.end();
}

absl::Status AddOfStep(pg::Connection& connection, const ComingStep& coming,
                       const RelationNames& changed_before, std::vector<ForeignDependent>& found) {
  std::set<std::string> cascading;
  for (const StatementLocks& statement : ClassifyStatements(*coming.script)) {
    for (const RelationLock& lock : statement.locks) {
      if (lock.reach == Reach::kDependents) cascading.insert(lock.qualified());
    }
  }
  std::array<std::vector<std::string>, 3> columns;
  for (const Root& root : RootsOf(*coming.script, cascading)) {
    const std::size_t dot = root.table.find('.');
    if (dot == std::string::npos) continue;
    columns[0].push_back(root.table.substr(0, dot));
    columns[1].push_back(root.table.substr(dot + 1));
    columns[2].push_back(root.part);
  }
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(kDependents, pg::ArrayLiteral(columns[0]),
                                    pg::ArrayLiteral(columns[1]), pg::ArrayLiteral(columns[2])));
  for (const pg::Row row : rows) {
    const std::string schema = row.Text("in_schema");
    const std::string relation = row.Text("relation");
    if (OwnerOf(schema) == coming.revision->service || changed_before.contains(relation)) continue;
    const std::string table = row.Text("schema") + "." + row.Text("name");
    const std::string part = row.Text("part");
    const std::string key = row.Text("key");
    ForeignDependent& dependent = found.emplace_back();
    dependent.revision = coming.revision->id;
    dependent.step = coming.step->ordinal;
    dependent.dropped = table + (part.empty() ? "" : "." + part);
    dependent.object = key.empty() ? "view " + relation : "foreign key " + key + " of " + relation;
    dependent.owner = OwnerText(schema);
    dependent.by_cascade = cascading.contains(table);
  }
  return absl::OkStatus();
}

}  // namespace

std::string ForeignDependent::text() const {
  const bool is_up = direction == Direction::kUp;
  return absl::StrFormat(
      "%sstep %d drops %s, %s %s of %s; %s", is_up ? "" : "the undo of ", step, dropped,
      by_cascade ? "and CASCADE would take" : "which cannot go because of", object, owner,
      is_up ? "let a revision of " + owner + " drop or change it first, and name that in depends_on"
            : "let " + owner + " drop or change it first");
}

absl::StatusOr<std::vector<ForeignDependent>> FindForeignDependents(
    pg::Connection& connection, const std::vector<ComingStep>& steps, Direction direction,
    const RelationNames& gone) {
  std::vector<ForeignDependent> found;
  RelationNames changed_before = gone;
  for (const ComingStep& coming : steps) {
    const ScriptFacts& facts = coming.script->facts;
    if (MayDropAnything(facts)) {
      RETURN_IF_ERROR(AddOfStep(connection, coming, changed_before, found));
    }
    changed_before.insert(facts.written.begin(), facts.written.end());
  }
  for (ForeignDependent& each : found) each.direction = direction;
  return found;
}

absl::Status MayDrop(pg::Connection& connection, const std::vector<ComingStep>& steps,
                     Direction direction, const RelationNames& gone) {
  ASSIGN_OR_RETURN(const auto found, FindForeignDependents(connection, steps, direction, gone));
  if (found.empty()) return absl::OkStatus();
  const bool cascades =
      std::ranges::any_of(found, [](const ForeignDependent& each) { return each.by_cascade; });
  const std::string all =
      absl::StrJoin(found, "; ", [](std::string* out, const ForeignDependent& each) {
        *out += each.revision + " " + each.text();
      });
  return Error(absl::StatusCode::kFailedPrecondition,
               cascades ? "CROSS_OWNER_DROP" : "DROP_BLOCKED", all)
      .With("revision", std::string_view(found.front().revision));
}

void AddForeignLockNotes(const std::vector<ComingStep>& steps, std::vector<PlanNote>& notes) {
  for (const ComingStep& coming : steps) {
    const std::string_view service = coming.revision->service;
    const auto& schemas = coming.script->facts.schemas;
    // Most steps keep to themselves, and need no second reading.
    if (std::ranges::all_of(schemas, [&](const auto& each) { return OwnerOf(each) == service; })) {
      continue;
    }
    std::set<std::string> told;
    for (const StatementLocks& statement : ClassifyStatements(*coming.script)) {
      for (const RelationLock& lock : statement.locks) {
        if (lock.reach != Reach::kItself || !IsStrong(lock.mode)) continue;
        if (OwnerOf(lock.schema) == service || !told.insert(lock.qualified()).second) continue;
        PlanNote& note = notes.emplace_back();
        note.kind = "foreign_lock";
        note.revision = coming.revision->id;
        note.step = coming.step->ordinal;
        note.step_name = coming.step->name;
        note.table = lock.qualified();
        note.what = absl::StrFormat(
            "locks %s of %s %s while it runs; whoever %s waits until the step is done",
            lock.qualified(), OwnerText(lock.schema), std::string(ToText(lock.mode)),
            lock.mode == LockMode::kAccessExclusive ? "reads or writes it" : "writes it");
      }
    }
  }
}

}  // namespace lockstep::migration
