#include "services/migration/engine/run/lint/schema_catalog.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/pg/sqlstate.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

constexpr int kTries = 5;
constexpr char kLockNotAvailable[] = "55P03";
constexpr char kBegin[] =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '100ms'";

// Names that no rule asks about are not read.
constexpr char kOurs[] =
    " n.nspname NOT IN ('pg_catalog', 'information_schema', 'migration')"
    " AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' ";

// A table that was never analysed is taken at a hundred bytes a row; one without a page is empty.
// Asking for a file's size waits for whoever holds the table closed: of those the last count
// stands.
constexpr char kRelations[] = R"sql(
WITH RECURSIVE closed AS MATERIALIZED (
    SELECT l.relation FROM pg_locks AS l
     WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
       AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
), parts AS (
    SELECT c.oid AS root, c.oid FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'm')
    UNION
    SELECT p.root, i.inhrelid FROM parts AS p JOIN pg_inherits AS i ON i.inhparent = p.oid
), sizes AS (
    SELECT p.root, sum(CASE WHEN c.reltuples > 0 THEN c.reltuples
                            WHEN c.oid IN (SELECT relation FROM closed) THEN c.relpages * 80
                            ELSE coalesce(pg_relation_size(c.oid), 0) / 100 END)::bigint AS rows
      FROM parts AS p JOIN pg_class AS c ON c.oid = p.oid
     WHERE c.relkind IN ('r', 'm')
     GROUP BY p.root
)
SELECT n.nspname || '.' || c.relname AS name, c.relkind::text AS kind,
       coalesce(s.rows, 0) AS rows,
       EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner) AS has_grants
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN sizes AS s ON s.root = c.oid
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND )sql";

constexpr char kColumns[] = R"sql(
SELECT n.nspname || '.' || c.relname AS name, a.attname::text AS "column", a.attnotnull AS required,
       CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN '' ELSE tn.nspname || '.' END
       || t.typname || coalesce(substring(format_type(a.atttypid, a.atttypmod) FROM '\([0-9,]+\)'), '')
       AS type
  FROM pg_attribute AS a
  JOIN pg_class AS c ON c.oid = a.attrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_type AS t ON t.oid = a.atttypid
  JOIN pg_namespace AS tn ON tn.oid = t.typnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f') AND )sql";

// The names of columns, in order, with U+0001 between them; an expression has none.
constexpr char kIndexes[] = R"sql(
SELECT n.nspname || '.' || c.relname AS name, x.relname::text AS index, i.indisunique AS is_unique,
       i.indpred IS NOT NULL AS is_partial,
       (SELECT string_agg(coalesce(a.attname, ''), E'\x01' ORDER BY k.nr)
          FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, nr)
          LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE k.nr <= i.indnkeyatts) AS columns,
       (SELECT string_agg(DISTINCT a.attname, E'\x01')
          FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
           AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid) AS used
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indrelid
  JOIN pg_class AS x ON x.oid = i.indexrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE )sql";

constexpr char kConstraints[] = R"sql(
SELECT n.nspname || '.' || c.relname AS name, k.conname::text AS constraint, k.contype::text AS kind,
       k.convalidated AS is_validated,
       (SELECT string_agg(a.attname, E'\x01' ORDER BY e.nr)
          FROM unnest(k.conkey) WITH ORDINALITY AS e (attnum, nr)
          JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = e.attnum) AS columns,
       (SELECT string_agg(a.attname, E'\x01' ORDER BY e.nr)
          FROM unnest(k.confkey) WITH ORDINALITY AS e (attnum, nr)
          JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = e.attnum) AS keys,
       coalesce(fn.nspname || '.' || f.relname, '') AS referenced,
       CASE WHEN k.contype = 'c' AND cardinality(k.conkey) = 1
             AND pg_get_constraintdef(k.oid) LIKE 'CHECK ((% IS NOT NULL))%'
            THEN (SELECT a.attname::text FROM pg_attribute AS a
                   WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
                     AND pg_get_constraintdef(k.oid)
                         LIKE replace(format('CHECK ((%I IS NOT NULL))', a.attname), '_', '\_') || '%')
       END AS not_null_column
  FROM pg_constraint AS k
  JOIN pg_class AS c ON c.oid = k.conrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_class AS f ON f.oid = k.confrelid
  LEFT JOIN pg_namespace AS fn ON fn.oid = f.relnamespace
 WHERE k.contype IN ('c', 'f', 'u', 'p', 'x') AND )sql";

// Views by their rules, and foreign keys.
constexpr char kDependents[] = R"sql(
SELECT DISTINCT n.nspname || '.' || c.relname AS name, vn.nspname AS schema, v.relname AS dependent,
       true AS is_view
  FROM pg_depend AS d
  JOIN pg_rewrite AS r ON r.oid = d.objid
  JOIN pg_class AS v ON v.oid = r.ev_class
  JOIN pg_namespace AS vn ON vn.oid = v.relnamespace
  JOIN pg_class AS c ON c.oid = d.refobjid AND c.oid <> v.oid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
   AND v.relkind IN ('v', 'm') AND %s
UNION
SELECT n.nspname || '.' || c.relname, cn.nspname, h.relname, false
  FROM pg_constraint AS k
  JOIN pg_class AS c ON c.oid = k.confrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_class AS h ON h.oid = k.conrelid AND h.oid <> c.oid
  JOIN pg_namespace AS cn ON cn.oid = h.relnamespace
 WHERE k.contype = 'f' AND %s)sql";

constexpr char kTypes[] = R"sql(
SELECT n.nspname || '.' || t.typname AS name,
       t.typtype = 'd' AND (t.typnotnull OR EXISTS (
           SELECT FROM pg_constraint AS k WHERE k.contypid IN (t.oid, t.typbasetype))) AS is_constrained
  FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
 WHERE t.typtype IN ('d', 'e', 'r') AND )sql";

constexpr char kLongTransactions[] = R"sql(
SELECT format('%s (%s%s) has been in a transaction since %s',
              CASE WHEN a.backend_type = 'walsender' THEN 'walsender ' ELSE 'pid ' END || a.pid,
              coalesce(a.usename, 'unknown'), coalesce(', ' || nullif(a.application_name, ''), ''),
              to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')) AS who
  FROM pg_stat_activity AS a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND a.backend_type IN ('client backend', 'walsender')
   AND a.xact_start < clock_timestamp() - interval '1 minute'
UNION ALL
SELECT format('prepared transaction %s of %s is open since %s', p.gid, p.owner,
              to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'))
  FROM pg_prepared_xacts AS p WHERE p.database = current_database()
 ORDER BY 1)sql";

std::vector<std::string> Names(std::string_view joined) {
  if (joined.empty()) return {""};
  return absl::StrSplit(absl::string_view(joined.data(), joined.size()), '\x01');
}

ModelTable::Kind KindOf(std::string_view relkind) {
  if (relkind == "p") return ModelTable::Kind::kPartitioned;
  if (relkind == "v") return ModelTable::Kind::kView;
  if (relkind == "m") return ModelTable::Kind::kMaterializedView;
  return relkind == "r" ? ModelTable::Kind::kTable : ModelTable::Kind::kOther;
}

absl::Status LoadRelations(pg::Connection& connection, SchemaModel& model) {
  ASSIGN_OR_RETURN(const pg::Result relations, connection.Query(std::string(kRelations) + kOurs));
  for (const pg::Row row : relations) {
    ModelTable table;
    table.kind = KindOf(row.Text("kind"));
    if (table.kind != ModelTable::Kind::kView) table.rows = row.Get<std::int64_t>("rows");
    table.has_grants = row.Get<bool>("has_grants");
    table.knows_everything = true;
    model.Add(std::string(row.Text("name")), std::move(table));
  }
  ASSIGN_OR_RETURN(const pg::Result columns, connection.Query(std::string(kColumns) + kOurs));
  for (const pg::Row row : columns) {
    ModelTable* const table = model.FindForChange(row.Text("name"));
    if (table == nullptr) continue;
    ModelColumn column;
    column.type = row.Text("type");
    column.is_not_null = row.Get<bool>("required");
    table->columns.emplace(row.Text("column"), std::move(column));
  }
  return absl::OkStatus();
}

absl::Status LoadIndexes(pg::Connection& connection, SchemaModel& model) {
  ASSIGN_OR_RETURN(const pg::Result indexes, connection.Query(std::string(kIndexes) + kOurs));
  for (const pg::Row row : indexes) {
    ModelTable* const table = model.FindForChange(row.Text("name"));
    if (table == nullptr) continue;
    ModelIndex index;
    index.name = row.Text("index");
    index.columns = Names(row.Text("columns"));
    // Of a constraint's index the constraint has the dependencies; it computes nothing.
    index.used = Names(row.OptionalText("used").value_or(""));
    index.is_unique = row.Get<bool>("is_unique");
    index.is_partial = row.Get<bool>("is_partial");
    table->indexes.push_back(std::move(index));
  }
  return absl::OkStatus();
}

ModelConstraint::Kind ConstraintKind(std::string_view contype) {
  if (contype == "f") return ModelConstraint::Kind::kForeign;
  if (contype == "u") return ModelConstraint::Kind::kUnique;
  if (contype == "p") return ModelConstraint::Kind::kPrimary;
  return contype == "x" ? ModelConstraint::Kind::kExclude : ModelConstraint::Kind::kCheck;
}

absl::Status LoadConstraints(pg::Connection& connection, SchemaModel& model) {
  ASSIGN_OR_RETURN(const pg::Result constraints,
                   connection.Query(std::string(kConstraints) + kOurs));
  for (const pg::Row row : constraints) {
    ModelTable* const table = model.FindForChange(row.Text("name"));
    if (table == nullptr) continue;
    ModelConstraint constraint;
    constraint.kind = ConstraintKind(row.Text("kind"));
    constraint.name = row.Text("constraint");
    constraint.is_validated = row.Get<bool>("is_validated");
    constraint.columns = Names(row.OptionalText("columns").value_or(""));
    constraint.referenced = row.Text("referenced");
    if (const auto column = row.OptionalText("not_null_column")) {
      constraint.not_null_columns.push_back(*column);
    }
    if (constraint.kind == ModelConstraint::Kind::kForeign) {
      constraint.referenced_keys = Names(row.OptionalText("keys").value_or(""));
    }
    if (constraint.kind == ModelConstraint::Kind::kPrimary) {
      table->primary_key = constraint.columns;
    }
    table->constraints.push_back(std::move(constraint));
  }
  return absl::OkStatus();
}

absl::Status LoadDependents(pg::Connection& connection, SchemaModel& model) {
  std::string query = kDependents;
  for (std::size_t at = query.find("%s"); at != std::string::npos; at = query.find("%s")) {
    query.replace(at, 2, kOurs);
  }
  ASSIGN_OR_RETURN(const pg::Result dependents, connection.Query(query));
  for (const pg::Row row : dependents) {
    ModelTable* const table = model.FindForChange(row.Text("name"));
    if (table == nullptr) continue;
    const std::string schema(row.Text("schema"));
    table->dependents.push_back({.name = schema + "." + std::string(row.Text("dependent")),
                                 .service = std::string(OwnerOf(schema)),
                                 .is_view = row.Get<bool>("is_view")});
  }
  return absl::OkStatus();
}

absl::Status Load(pg::Connection& connection, SchemaModel& model) {
  RETURN_IF_ERROR(LoadRelations(connection, model));
  RETURN_IF_ERROR(LoadIndexes(connection, model));
  RETURN_IF_ERROR(LoadConstraints(connection, model));
  RETURN_IF_ERROR(LoadDependents(connection, model));
  ASSIGN_OR_RETURN(const pg::Result types, connection.Query(std::string(kTypes) + kOurs));
  for (const pg::Row row : types) {
    model.AddType(std::string(row.Text("name")), row.Get<bool>("is_constrained"));
  }
  ASSIGN_OR_RETURN(const pg::Result waiting, connection.Query(kLongTransactions));
  for (const pg::Row row : waiting) model.long_transactions.emplace_back(row.Text("who"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SchemaModel> LoadSchemaModel(pg::Connection& connection) {
  absl::Status loaded;
  // Somebody may close a table between the look at the locks and the question for its size.
  for (int tries = 0; tries < kTries; ++tries) {
    SchemaModel model;
    model.is_connected = true;
    model.server_version = connection.server_version();
    RETURN_IF_ERROR(connection.Script(kBegin).status());
    loaded = Load(connection, model);
    const absl::Status ended = connection.Script(loaded.ok() ? "COMMIT" : "ROLLBACK").status();
    if (loaded.ok() && ended.ok()) return model;
    if (loaded.ok()) loaded = ended;
    if (pg::SqlStateOf(loaded) != kLockNotAvailable) break;
  }
  return loaded;
}

}  // namespace lockstep::migration
