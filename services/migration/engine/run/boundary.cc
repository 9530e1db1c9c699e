#include "services/migration/engine/run/boundary.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "common/pg/connection.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

// A catalog whose rows belong to schemas. `x` is the row.
struct Catalog {
  std::string_view name;
  std::string_view from;      // tables of the FROM clause
  std::string_view schema;    // oid of the schema that the row belongs to
  std::string_view describe;  // text for people
  std::string_view relation;  // oid of the relation that it is part of; "" when of none
};

constexpr std::array kCatalogs = {
    Catalog{"pg_namespace", "pg_namespace x", "x.oid", "'schema ' || x.nspname", ""},
    Catalog{"pg_class", "pg_class x", "x.relnamespace", "'relation ' || x.oid::regclass::text",
            "x.oid"},
    Catalog{"pg_attribute", "pg_attribute x JOIN pg_class c ON c.oid = x.attrelid",
            "c.relnamespace", "'column ' || c.oid::regclass::text || '.' || x.attname", ""},
    Catalog{"pg_attrdef", "pg_attrdef x JOIN pg_class c ON c.oid = x.adrelid", "c.relnamespace",
            "'a default of ' || c.oid::regclass::text", ""},
    Catalog{"pg_index", "pg_index x JOIN pg_class c ON c.oid = x.indexrelid", "c.relnamespace",
            "'index ' || c.oid::regclass::text", ""},
    Catalog{"pg_rewrite", "pg_rewrite x JOIN pg_class c ON c.oid = x.ev_class", "c.relnamespace",
            "'rule ' || x.rulename || ' on ' || c.oid::regclass::text", ""},
    Catalog{"pg_policy", "pg_policy x JOIN pg_class c ON c.oid = x.polrelid", "c.relnamespace",
            "'policy ' || x.polname || ' on ' || c.oid::regclass::text", ""},
    Catalog{"pg_sequence", "pg_sequence x JOIN pg_class c ON c.oid = x.seqrelid", "c.relnamespace",
            "'sequence ' || c.oid::regclass::text", ""},
    Catalog{"pg_inherits", "pg_inherits x JOIN pg_class c ON c.oid = x.inhrelid", "c.relnamespace",
            "'inheritance of ' || c.oid::regclass::text", ""},
    // Foreign keys put internal triggers on the table that they refer to.
    Catalog{"pg_trigger", "pg_trigger x JOIN pg_class c ON c.oid = x.tgrelid", "c.relnamespace",
            "'trigger ' || x.tgname || ' on ' || c.oid::regclass::text",
            "CASE WHEN x.tgisinternal THEN c.oid END"},
    Catalog{"pg_constraint", "pg_constraint x", "x.connamespace", "'constraint ' || x.conname", ""},
    Catalog{"pg_statistic_ext", "pg_statistic_ext x", "x.stxnamespace",
            "'statistics ' || x.stxname", ""},
    Catalog{"pg_proc", "pg_proc x", "x.pronamespace", "'function ' || x.oid::regprocedure::text",
            ""},
    Catalog{"pg_type", "pg_type x", "x.typnamespace", "'type ' || x.oid::regtype::text", ""},
    Catalog{"pg_operator", "pg_operator x", "x.oprnamespace", "'operator ' || x.oprname", ""},
    Catalog{"pg_opclass", "pg_opclass x", "x.opcnamespace", "'operator class ' || x.opcname", ""},
    Catalog{"pg_opfamily", "pg_opfamily x", "x.opfnamespace", "'operator family ' || x.opfname",
            ""},
    Catalog{"pg_collation", "pg_collation x", "x.collnamespace", "'collation ' || x.collname", ""},
    Catalog{"pg_conversion", "pg_conversion x", "x.connamespace", "'conversion ' || x.conname", ""},
    Catalog{"pg_ts_config", "pg_ts_config x", "x.cfgnamespace", "'text search ' || x.cfgname", ""},
    Catalog{"pg_ts_dict", "pg_ts_dict x", "x.dictnamespace", "'dictionary ' || x.dictname", ""},
    Catalog{"pg_enum", "pg_enum x JOIN pg_type t ON t.oid = x.enumtypid", "t.typnamespace",
            "'a value of ' || t.oid::regtype::text", ""},
    // Default privileges of a role in all schemas are a matter of the schemas that it owns.
    Catalog{"pg_default_acl",
            "pg_default_acl x JOIN pg_namespace n ON n.oid = x.defaclnamespace"
            " OR (x.defaclnamespace = 0 AND n.nspowner = x.defaclrole)",
            "n.oid", "'default privileges in ' || n.nspname", ""},
    Catalog{"pg_description of pg_class",
            "pg_description x JOIN pg_class c ON x.classoid = 'pg_class'::regclass"
            " AND c.oid = x.objoid",
            "c.relnamespace", "'a comment on ' || c.oid::regclass::text", ""},
    Catalog{"pg_description of pg_proc",
            "pg_description x JOIN pg_proc p ON x.classoid = 'pg_proc'::regclass"
            " AND p.oid = x.objoid",
            "p.pronamespace", "'a comment on ' || p.oid::regprocedure::text", ""},
    Catalog{"pg_description of pg_type",
            "pg_description x JOIN pg_type t ON x.classoid = 'pg_type'::regclass"
            " AND t.oid = x.objoid",
            "t.typnamespace", "'a comment on ' || t.oid::regtype::text", ""},
    Catalog{"pg_description of pg_namespace",
            "pg_description x JOIN pg_namespace n ON x.classoid = 'pg_namespace'::regclass"
            " AND n.oid = x.objoid",
            "n.oid", "'a comment on schema ' || n.nspname", ""},
    Catalog{"pg_publication_rel", "pg_publication_rel x JOIN pg_class c ON c.oid = x.prrelid",
            "c.relnamespace", "'publication of ' || c.oid::regclass::text", ""},
    // PostgreSQL 14 has no pg_publication_namespace (6237), and a query that names it fails there.
    Catalog{"pg_publication_namespace", "pg_depend x JOIN pg_namespace n ON n.oid = x.refobjid",
            "CASE WHEN x.classid = 6237 AND x.refclassid = 'pg_namespace'::regclass THEN n.oid END",
            "'publication of schema ' || n.nspname", ""},
    Catalog{"pg_foreign_table", "pg_foreign_table x JOIN pg_class c ON c.oid = x.ftrelid",
            "c.relnamespace", "'foreign table ' || c.oid::regclass::text", ""},
};

// Rows that this transaction, or a subtransaction of it, wrote: visible, not older than it, and
// still in progress.
constexpr std::string_view kMine =
    "CASE WHEN age(x.xmin) <= 0"
    " THEN pg_xact_status((pg_current_xact_id()::text::numeric - age(x.xmin))::text::xid8) = 'in "
    "progress'"
    " ELSE false END";

// CTEs: u.ids = the undeclared schemas, r.ids = the tables that may be referred to.
std::string Scope(const Boundary& boundary) {
  const std::string undeclared = boundary.forbidden.empty()
                                     ? "nspname <> ALL (" + TextArraySql(boundary.schemas) + ")"
                                     : "nspname = ANY (" + TextArraySql(boundary.forbidden) + ")";
  return "u AS (SELECT array_agg(oid) AS ids FROM pg_namespace WHERE " + undeclared +
         " AND nspname NOT IN ('pg_catalog', 'information_schema')"
         " AND nspname !~ '^pg_(toast|temp_|toast_temp_)'),\n"
         "r AS (SELECT coalesce(array_agg(c.oid), '{}') AS ids FROM pg_class c JOIN pg_namespace n "
         "ON n.oid ="
         " c.relnamespace WHERE n.nspname || '.' || c.relname = ANY (" +
         TextArraySql(boundary.references) + "))";
}

std::string Where(const Catalog& catalog) {
  std::string where = " WHERE " + std::string(catalog.schema) + " = ANY (u.ids)";
  if (!catalog.relation.empty()) {
    where += " AND (" + std::string(catalog.relation) + " = ANY (r.ids)) IS NOT TRUE";
  }
  return where;
}

// Of a table that foreign keys may point to, they change one thing in its own row: that it has
// triggers. The rest, and what is for statistics and the age of rows, which others change, must
// stay.
constexpr std::string_view kReferencedSql =
    "(SELECT coalesce(jsonb_object_agg(c.oid::text, to_jsonb(c) - "
    "'{relhastriggers,relfrozenxid,relminmxid,relpages,reltuples,relallvisible,relallfrozen}'::"
    "text[]), '{}')"
    " FROM r, pg_class c WHERE c.oid = ANY (r.ids))";

std::string CountsSql() {
  std::string sql = "(SELECT jsonb_object_agg(k, n) FROM (";
  for (std::size_t i = 0; i < kCatalogs.size(); ++i) {
    const Catalog& catalog = kCatalogs[i];
    if (i > 0) sql += "\nUNION ALL ";
    sql += "SELECT '" + std::string(catalog.name) + "' AS k, count(*) AS n FROM u, r, " +
           std::string(catalog.from) + Where(catalog);
  }
  return sql + ") AS counted)";
}

// Tables whose rows this transaction wrote, with how many. Sequences have no such counters, and
// their values change all the time under other sessions; but nextval() and setval() take this lock,
// which lasts until the end of the transaction, even when a savepoint was rolled back.
constexpr std::string_view kWrittenSql =
    "(SELECT coalesce(jsonb_object_agg(w.oid::text, w.n), '{}') FROM (SELECT c.oid,"
    " pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)"
    " + pg_stat_get_xact_tuples_deleted(c.oid) AS n"
    " FROM u, pg_class c WHERE c.relkind IN ('r', 'p', 'm') AND c.relnamespace = ANY (u.ids)"
    " UNION ALL SELECT c.oid, 1 FROM u, pg_locks l JOIN pg_class c ON c.oid = l.relation"
    " WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'"
    " AND c.relkind = 'S' AND c.relnamespace = ANY (u.ids)) AS w "
    "WHERE w.n > 0)";

}  // namespace

Boundary BoundaryOf(const Revision& revision) {
  Boundary boundary;
  for (const std::string_view schema : SchemasOf(revision.service)) {
    boundary.schemas.emplace_back(schema);
  }
  boundary.references = revision.references;
  if (revision.phase == Phase::kLegacy) {
    boundary.forbidden.emplace_back(kLedgerSchema);
    for (const std::string_view service : Services()) {
      if (service == revision.service) continue;
      for (const std::string_view schema : SchemasOf(service)) {
        boundary.forbidden.emplace_back(schema);
      }
    }
  }
  return boundary;
}

std::string TextArraySql(const std::vector<std::string>& values) {
  std::string sql = "ARRAY[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) sql += ",";
    sql += pg::QuoteLiteral(values[i]);
  }
  return sql + "]::text[]";
}

std::string BaselineSql(const Boundary& boundary) {
  return "WITH " + Scope(boundary) + "\nSELECT pg_current_xact_id()::text AS xid, " + CountsSql() +
         "::text AS counts,\n" + std::string(kWrittenSql) + "::text AS written,\n" +
         std::string(kReferencedSql) + "::text AS referenced";
}

std::string ViolationsSql(const Boundary& boundary, const std::string& xid,
                          const std::string& counts, const std::string& written,
                          const std::string& referenced) {
  std::string sql = "WITH " + Scope(boundary) +
                    "\nSELECT 'it ended its transaction and began another' AS violation"
                    " WHERE pg_current_xact_id()::text <> " +
                    xid;
  for (const Catalog& catalog : kCatalogs) {
    sql += "\nUNION ALL SELECT 'it changed ' || " + std::string(catalog.describe) + " FROM u, r, " +
           std::string(catalog.from) + Where(catalog) + " AND " + std::string(kMine);
  }
  sql +=
      "\nUNION ALL SELECT 'it changed settings of a role or database' FROM pg_db_role_setting x "
      "WHERE " +
      std::string(kMine) +
      "\nUNION ALL SELECT 'it changed memberships of roles' FROM pg_auth_members x WHERE " +
      std::string(kMine);
  sql +=
      "\nUNION ALL SELECT 'it removed ' || (b.value::bigint - a.value::bigint) || ' rows of ' || "
      "b.key"
      " FROM jsonb_each_text(" +
      counts + "::jsonb) AS b JOIN jsonb_each_text(" + CountsSql() +
      ") AS a ON a.key = b.key WHERE a.value::bigint < b.value::bigint";
  sql +=
      "\nUNION ALL SELECT 'it wrote rows of ' || a.key::oid::regclass::text FROM jsonb_each_text(" +
      std::string(kWrittenSql) + ") AS a LEFT JOIN jsonb_each_text(" + written +
      "::jsonb) AS b ON b.key = a.key WHERE a.value::bigint <> coalesce(b.value::bigint, 0)";
  // Others may change such a table as well: only what this transaction wrote counts.
  sql += "\nUNION ALL SELECT 'it changed relation ' || x.oid::regclass::text FROM jsonb_each(" +
         std::string(kReferencedSql) +
         ") AS a JOIN pg_class x ON x.oid = a.key::oid JOIN jsonb_each(" + referenced +
         "::jsonb) AS b ON b.key = a.key WHERE a.value <> b.value AND " + std::string(kMine);
  return sql + "\nLIMIT 10";
}

bool HidesNothing(const Script& script, const Boundary& boundary) {
  constexpr std::array<std::string_view, 9> kPlain = {
      "CREATE TABLE", "CREATE INDEX", "CREATE VIEW", "CREATE SEQUENCE", "ALTER TABLE",
      "COMMENT",      "GRANT",        "REVOKE",      "CREATE TYPE"};
  const auto is_declared = [&](const std::string& schema) {
    return std::find(boundary.schemas.begin(), boundary.schemas.end(), schema) !=
               boundary.schemas.end() ||
           std::any_of(boundary.references.begin(), boundary.references.end(),
                       [&](const std::string& table) { return table.starts_with(schema + "."); });
  };
  // The names of an imported history have no schemas: nobody sees what they mean.
  return boundary.forbidden.empty() && !script.is_opaque && !script.facts.has_hidden_code &&
         std::all_of(script.facts.tags.begin(), script.facts.tags.end(),
                     [&](const std::string& tag) {
                       return std::find(kPlain.begin(), kPlain.end(), tag) != kPlain.end();
                     }) &&
         std::all_of(script.facts.schemas.begin(), script.facts.schemas.end(), is_declared);
}

}  // namespace lockstep::migration
