#include "services/migration/engine/run/cross_owner.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/dropped_objects.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/statement_class.h"

namespace lockstep::migration {
namespace {

// $1 to $6: kind, schema, name, part, argument types of what goes ("\x01" between them), whether
// these are given. $7: relations and functions that are gone or made anew by then: what depends on
// them as they are now does not count. What goes along is found as PostgreSQL finds it, by
// pg_depend; what is only a part of something that goes ("a" and "i": indexes, defaults, triggers
// of keys) is followed and not told, except partitions.
constexpr char kDependents[] = R"sql(
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT a.*, n.oid AS schema_oid, c.oid AS relation
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[])
           WITH ORDINALITY AS a (kind, schema, name, part, arguments, has_arguments, nr)
      LEFT JOIN pg_namespace AS n ON n.nspname = a.schema
      LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = a.name
), roots AS MATERIALIZED (
    SELECT nr, 'pg_class'::regclass::oid AS class, relation AS object, 0 AS part
      FROM asked WHERE kind = 'relation'
    UNION ALL
    SELECT a.nr, 'pg_class'::regclass, t.attrelid, t.attnum
      FROM asked AS a JOIN pg_attribute AS t ON t.attrelid = a.relation AND t.attname = a.part
     WHERE a.kind = 'column'
    UNION ALL
    SELECT a.nr, 'pg_constraint'::regclass, k.oid, 0
      FROM asked AS a JOIN pg_constraint AS k ON k.conrelid = a.relation AND k.conname = a.part
     WHERE a.kind = 'constraint'
    UNION ALL
    SELECT a.nr, 'pg_type'::regclass, t.oid, 0
      FROM asked AS a JOIN pg_type AS t ON t.typnamespace = a.schema_oid AND t.typname = a.name
     WHERE a.kind = 'type'
    UNION ALL
    SELECT a.nr, 'pg_collation'::regclass, l.oid, 0
      FROM asked AS a JOIN pg_collation AS l ON l.collnamespace = a.schema_oid AND l.collname = a.name
     WHERE a.kind = 'collation'
    UNION ALL
    SELECT a.nr, 'pg_proc'::regclass, p.oid, 0
      FROM asked AS a JOIN pg_proc AS p ON p.pronamespace = a.schema_oid AND p.proname = a.name
     WHERE a.kind = 'function'
       AND (NOT a.has_arguments OR p.proargtypes::text = coalesce((
               SELECT string_agg(coalesce(to_regtype(t.name)::oid::text, '0'), ' ' ORDER BY t.nr)
                 FROM unnest(string_to_array(nullif(a.arguments, ''), E'\x01'))
                      WITH ORDINALITY AS t (name, nr)), ''))
    UNION ALL
    SELECT nr, 'pg_namespace'::regclass, schema_oid, 0 FROM asked WHERE kind = 'schema'
    UNION ALL
    SELECT a.nr, 'pg_extension'::regclass, e.oid, 0
      FROM asked AS a JOIN pg_extension AS e ON e.extname = a.name WHERE a.kind = 'extension'
), settled AS MATERIALIZED (
    SELECT 'pg_class'::regclass::oid AS class, c.oid AS object
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname || '.' || c.relname = ANY ($7::text[])
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid
      FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE n.nspname || '.' || p.proname = ANY ($7::text[])
), goes AS (
    SELECT nr, class, object, part, false AS is_told FROM roots WHERE object IS NOT NULL
    UNION
    SELECT g.nr, d.class, d.object, d.part, d.is_told
      FROM goes AS g
     CROSS JOIN LATERAL (
           SELECT d.classid AS class, d.objid AS object, d.objsubid AS part,
                  d.deptype = 'n' OR c.relkind IN ('r', 'p', 'f') AS is_told
             FROM pg_depend AS d
             LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
                                    AND d.objsubid = 0
            WHERE d.refclassid = g.class AND d.refobjid = g.object
              AND (g.part = 0 OR d.refobjsubid = g.part)
              AND (d.deptype <> 'e' OR g.class = 'pg_extension'::regclass)
            UNION ALL
           SELECT 'pg_class'::regclass, r.ev_class, 0, true
             FROM pg_rewrite AS r
            WHERE g.class = 'pg_rewrite'::regclass AND r.oid = g.object AND r.rulename = '_RETURN'
            UNION ALL  -- a generated column goes with its expression
           SELECT 'pg_class'::regclass, f.adrelid, f.adnum, true
             FROM pg_attrdef AS f
             JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
            WHERE g.class = 'pg_attrdef'::regclass AND f.oid = g.object AND a.attgenerated <> ''
            UNION ALL  -- and a column with that of the parent
           SELECT 'pg_class'::regclass, a.attrelid, a.attnum, true
             FROM pg_attribute AS o
             JOIN pg_inherits AS i ON i.inhparent = o.attrelid
             JOIN pg_attribute AS a ON a.attrelid = i.inhrelid AND a.attname = o.attname
            WHERE g.class = 'pg_class'::regclass AND o.attrelid = g.object AND o.attnum = g.part
              AND g.part > 0 AND a.attinhcount > 0
         ) AS d
     WHERE NOT EXISTS (SELECT FROM settled AS s WHERE s.class = d.class AND s.object = d.object)
), told AS (
    SELECT DISTINCT g.nr, g.class, g.object, g.part,
           CASE g.class WHEN 'pg_class'::regclass THEN coalesce(x.indrelid, g.object)
                        WHEN 'pg_constraint'::regclass THEN k.conrelid
                        WHEN 'pg_trigger'::regclass THEN t.tgrelid
                        WHEN 'pg_policy'::regclass THEN p.polrelid
                        WHEN 'pg_attrdef'::regclass THEN f.adrelid
                        WHEN 'pg_rewrite'::regclass THEN r.ev_class END AS relation,
           k.contype, k.conname, r.rulename
      FROM goes AS g
      LEFT JOIN pg_index AS x ON g.class = 'pg_class'::regclass AND x.indexrelid = g.object
      LEFT JOIN pg_constraint AS k ON g.class = 'pg_constraint'::regclass AND k.oid = g.object
      LEFT JOIN pg_trigger AS t ON g.class = 'pg_trigger'::regclass AND t.oid = g.object
      LEFT JOIN pg_policy AS p ON g.class = 'pg_policy'::regclass AND p.oid = g.object
      LEFT JOIN pg_attrdef AS f ON g.class = 'pg_attrdef'::regclass AND f.oid = g.object
      LEFT JOIN pg_rewrite AS r ON g.class = 'pg_rewrite'::regclass AND r.oid = g.object
     WHERE g.is_told AND r.rulename IS DISTINCT FROM '_RETURN'
       -- Members of an extension go with it or not at all.
       AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = g.class AND e.objid = g.object
                          AND e.deptype = 'e')
)
SELECT t.nr, coalesce(n.nspname, i.schema) AS in_schema,
       coalesce(n.nspname || '.' || c.relname, i.schema || '.' || coalesce(p.proname, i.name),
                i.identity) AS name,
       CASE WHEN t.contype = 'f'
            THEN 'foreign key ' || t.conname || ' of ' || n.nspname || '.' || c.relname
            ELSE pg_describe_object(t.class, t.object, t.part) END AS object
  FROM told AS t
 CROSS JOIN LATERAL pg_identify_object(t.class, t.object, t.part) AS i
  LEFT JOIN pg_class AS c ON c.oid = t.relation
  LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_proc AS p ON t.class = 'pg_proc'::regclass AND p.oid = t.object
 WHERE NOT EXISTS (SELECT FROM roots AS r WHERE r.class = t.class AND r.object = t.object
                      AND r.part IN (0, t.part))
   -- Casts and their like are nobody's.
   AND (n.nspname IS NOT NULL OR i.schema IS NOT NULL)
   -- What belongs to a relation that goes whole is told with that.
   AND (t.object = t.relation AND t.part = 0 OR NOT EXISTS (
          SELECT FROM goes AS g WHERE g.class = 'pg_class'::regclass AND g.object = t.relation
             AND g.part = 0))
 ORDER BY t.nr, 3, 4
)sql";

// "" -> the schema itself: what no service owns belongs to somebody else all the same.
std::string OwnerText(const std::string& schema) {
  const std::string_view owner = OwnerOf(schema);
  return owner.empty() ? "schema " + schema : std::string(owner);
}

std::string_view KindText(DroppedObject::Kind kind) {
  switch (kind) {
    case DroppedObject::Kind::kRelation:
      return "relation";
    case DroppedObject::Kind::kColumn:
      return "column";
    case DroppedObject::Kind::kConstraint:
      return "constraint";
    case DroppedObject::Kind::kType:
      return "type";
    case DroppedObject::Kind::kCollation:
      return "collation";
    case DroppedObject::Kind::kFunction:
      return "function";
    case DroppedObject::Kind::kSchema:
      return "schema";
    case DroppedObject::Kind::kExtension:
      return "extension";
  }
  return "";
}

// Whether a closer look is worth it. An ALTER TABLE may drop a constraint.
bool MayDropOrMake(const ScriptFacts& facts) {
  return std::ranges::any_of(facts.tags, [](const std::string& tag) {
    return tag.starts_with("DROP ") || tag == "ALTER TABLE" || tag == "CREATE VIEW";
  });
}

// As the arguments of kDependents.
absl::StatusOr<pg::Result> AskDependents(pg::Connection& connection,
                                         const std::vector<DroppedObject>& dropped,
                                         const RelationNames& settled) {
  std::array<std::vector<std::string>, 6> columns;
  for (const DroppedObject& object : dropped) {
    columns[0].emplace_back(KindText(object.kind));
    columns[1].push_back(object.schema);
    columns[2].push_back(object.name);
    columns[3].push_back(object.part);
    columns[4].push_back(object.arguments ? absl::StrJoin(*object.arguments, "\x01") : "");
    columns[5].emplace_back(object.arguments ? "true" : "false");
  }
  return connection.Query(
      kDependents, pg::ArrayLiteral(columns[0]), pg::ArrayLiteral(columns[1]),
      pg::ArrayLiteral(columns[2]), pg::ArrayLiteral(columns[3]), pg::ArrayLiteral(columns[4]),
      pg::ArrayLiteral(columns[5]),
      pg::ArrayLiteral(std::vector<std::string>(settled.begin(), settled.end())));
}

absl::Status AddOfStep(pg::Connection& connection, const ComingStep& coming,
                       const std::vector<DroppedObject>& dropped,
                       const RelationNames& changed_before, const RelationNames& settled,
                       std::vector<ForeignDependent>& found) {
  ASSIGN_OR_RETURN(pg::Result rows, AskDependents(connection, dropped, settled));
  for (const pg::Row row : rows) {
    const std::string schema = row.Text("in_schema");
    // What an imported history makes outside of the services' schemas is its own; the names in its
    // scripts do not say in which schema.
    const bool is_histories = coming.revision->phase == Phase::kLegacy && OwnerOf(schema).empty();
    if (OwnerOf(schema) == coming.revision->service || is_histories ||
        changed_before.contains(row.Text("name"))) {
      continue;
    }
    const DroppedObject& root =
        dropped.at(static_cast<std::size_t>(row.Get<std::int64_t>("nr")) - 1);
    ForeignDependent& dependent = found.emplace_back();
    dependent.revision = coming.revision->id;
    dependent.step = coming.step->ordinal;
    dependent.dropped = root.text();
    dependent.object = row.Text("object");
    dependent.owner = OwnerText(schema);
    dependent.by_cascade = root.cascades;
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
  RelationNames settled = gone;
  for (const ComingStep& coming : steps) {
    const ScriptFacts& facts = coming.script->facts;
    if (MayDropOrMake(facts)) {
      const ObjectChanges changes = ReadObjectChanges(*coming.script);
      settled.insert(changes.made.begin(), changes.made.end());
      if (!changes.dropped.empty()) {
        RETURN_IF_ERROR(
            AddOfStep(connection, coming, changes.dropped, changed_before, settled, found));
      }
      for (const DroppedObject& object : changes.dropped) {
        if (object.part.empty()) settled.insert(object.schema + "." + object.name);
      }
      changed_before.insert(settled.begin(), settled.end());
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
