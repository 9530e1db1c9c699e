#include "services/migration/engine/run/catalog/catalog_queries.h"

#include <string_view>

#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

// Who may do what, whether it was said or is the default: %1 = the list, %2 = kind of object,
// %3 = owner. Names of roles, sorted.
std::string Acl(std::string_view list, std::string_view kind, std::string_view owner) {
  std::string sql =
      "(SELECT jsonb_agg(g ORDER BY g COLLATE \"C\") FROM (SELECT"
      " CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END || ' '"
      " || a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS g"
      " FROM aclexplode(coalesce(";
  sql.append(list).append(", acldefault('").append(kind).append("', ").append(owner);
  return sql.append("))) AS a) AS granted)");
}

std::string Comment(std::string_view oid, std::string_view catalog, std::string_view sub = "0") {
  std::string sql = "(SELECT d.description FROM pg_description AS d WHERE d.objoid = ";
  sql.append(oid).append(" AND d.classoid = '").append(catalog).append("'::regclass");
  return sql.append(" AND d.objsubid = ").append(sub).append(")");
}

std::string Schemas() {
  return "SELECT 'schema' AS kind, n.nspname::text AS name, jsonb_strip_nulls(jsonb_build_object("
         "'owner', n.nspowner::regrole::text, 'grants', " +
         Acl("n.nspacl", "n", "n.nspowner") + ", 'comment', " + Comment("n.oid", "pg_namespace") +
         "))::text AS facts FROM pg_namespace AS n WHERE n.nspname = ANY ($1::text[])"
         " UNION ALL "
         "SELECT 'default privileges', n.nspname || ' ' || d.defaclrole::regrole || ' '"
         " || d.defaclobjtype::text, jsonb_build_object('grants', " +
         Acl("d.defaclacl", "r", "d.defaclrole") +
         ")::text FROM pg_default_acl AS d JOIN pg_namespace AS n ON n.oid = d.defaclnamespace"
         " WHERE n.nspname = ANY ($1::text[])";
}

std::string Relations() {
  return "SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'"
         " WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,"
         " n.nspname || '.' || c.relname AS name, jsonb_strip_nulls(jsonb_build_object("
         "'owner', c.relowner::regrole::text, 'grants', " +
         Acl("c.relacl", "r", "c.relowner") + ", 'comment', " + Comment("c.oid", "pg_class") +
         R"sql(, 'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(c.reloptions) AS o),
    'persistence', nullif(c.relpersistence, 'p'),
    'row security', nullif(c.relrowsecurity, false), 'forced row security', nullif(c.relforcerowsecurity, false),
    'replica identity', nullif(c.relreplident, CASE WHEN c.relkind IN ('r', 'p') THEN 'd' ELSE 'n' END),
    'tablespace', (SELECT s.spcname FROM pg_tablespace AS s WHERE s.oid = c.reltablespace),
    'partition key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
    'partition bound', pg_get_expr(c.relpartbound, c.oid),
    'parents', (SELECT jsonb_agg(i.inhparent::regclass::text || CASE WHEN %s THEN ' detaching' ELSE '' END
                                 ORDER BY i.inhseqno)
                  FROM pg_inherits AS i WHERE i.inhrelid = c.oid),
    'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
    'populated', CASE WHEN c.relkind = 'm' THEN c.relispopulated END,
    'publications', (SELECT jsonb_agg(p.pubname ORDER BY p.pubname) FROM pg_publication_rel AS r
                       JOIN pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = c.oid)))::text AS facts
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = ANY ($1::text[]))sql";
}

std::string Columns() {
  return "SELECT 'column' AS kind, n.nspname || '.' || c.relname || '.' || a.attname AS name,"
         " jsonb_strip_nulls(jsonb_build_object('comment', " +
         Comment("c.oid", "pg_class", "a.attnum") +
         R"sql(, 'type', format_type(a.atttypid, a.atttypmod), 'not null', nullif(a.attnotnull, false),
    'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
    'generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
    'identity', nullif(a.attidentity, ''),
    'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
    'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END,
    'compression', nullif(a.attcompression, ''),
    'statistics', nullif(coalesce(a.attstattarget, -1)::int, -1),
    'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(a.attoptions) AS o),
    'grants', (SELECT jsonb_agg(g ORDER BY g COLLATE "C") FROM (
        SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END || ' ' || x.privilege_type AS g
          FROM aclexplode(a.attacl) AS x) AS granted),
    'position', rank() OVER (PARTITION BY c.oid ORDER BY a.attnum)))::text AS facts
  FROM pg_attribute AS a
  JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname = ANY ($1::text[]))sql";
}

std::string Constraints() {
  return "SELECT 'constraint' AS kind, n.nspname || '.' || c.relname || '.' || k.conname AS name,"
         " jsonb_strip_nulls(jsonb_build_object('comment', " +
         Comment("k.oid", "pg_constraint") +
         R"sql(, 'definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
    'inherited', nullif(NOT k.conislocal, false)))::text AS facts
  FROM pg_constraint AS k
  JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND n.nspname = ANY ($1::text[]))sql";
}

std::string Indexes() {
  return "SELECT 'index' AS kind, n.nspname || '.' || x.relname AS name,"
         " jsonb_strip_nulls(jsonb_build_object('comment', " +
         Comment("x.oid", "pg_class") +
         R"sql(, 'table', c.relname, 'definition', pg_get_indexdef(x.oid), 'valid', i.indisvalid, 'ready', i.indisready,
    'clustered', nullif(i.indisclustered, false), 'replica identity', nullif(i.indisreplident, false),
    'tablespace', (SELECT s.spcname FROM pg_tablespace AS s WHERE s.oid = x.reltablespace),
    'attached to', (SELECT h.inhparent::regclass::text FROM pg_inherits AS h WHERE h.inhrelid = x.oid),
    'statistics', (SELECT jsonb_object_agg(a.attnum, a.attstattarget) FROM pg_attribute AS a
                    WHERE a.attrelid = x.oid AND coalesce(a.attstattarget, -1) <> -1)))::text AS facts
  FROM pg_index AS i
  JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_class AS c ON c.oid = i.indrelid
  JOIN pg_namespace AS n ON n.oid = x.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname = ANY ($1::text[])
UNION ALL
SELECT 'statistics', n.nspname || '.' || s.stxname,
       jsonb_build_object('owner', s.stxowner::regrole::text, 'definition', pg_get_statisticsobjdef(s.oid))::text
  FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
 WHERE n.nspname = ANY ($1::text[]))sql";
}

std::string Behaviour() {
  return "SELECT 'trigger' AS kind, n.nspname || '.' || c.relname || '.' || t.tgname AS name,"
         " jsonb_strip_nulls(jsonb_build_object('comment', " +
         Comment("t.oid", "pg_trigger") +
         R"sql(, 'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled))::text AS facts
  FROM pg_trigger AS t
  JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND n.nspname = ANY ($1::text[])
UNION ALL
SELECT 'policy', n.nspname || '.' || c.relname || '.' || p.polname, jsonb_strip_nulls(jsonb_build_object('comment', )sql" +
         Comment("p.oid", "pg_policy") +
         R"sql(, 'command', p.polcmd, 'permissive', p.polpermissive,
    'roles', (SELECT jsonb_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE r::regrole::text END ORDER BY r)
                FROM unnest(p.polroles) AS r),
    'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)))::text
  FROM pg_policy AS p
  JOIN pg_class AS c ON c.oid = p.polrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY ($1::text[])
UNION ALL
SELECT 'rule', n.nspname || '.' || c.relname || '.' || r.rulename,
       jsonb_build_object('definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)::text
  FROM pg_rewrite AS r
  JOIN pg_class AS c ON c.oid = r.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE r.rulename <> '_RETURN' AND n.nspname = ANY ($1::text[]))sql";
}

std::string Functions() {
  return "SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE "
         "'function' END AS kind,"
         " n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || "
         "')' AS name,"
         " jsonb_strip_nulls(jsonb_build_object('owner', p.proowner::regrole::text, 'grants', " +
         Acl("p.proacl", "f", "p.proowner") + ", 'comment', " + Comment("p.oid", "pg_proc") +
         R"sql(, 'definition', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
    'aggregate', (SELECT jsonb_build_object('state', g.aggtransfn::regprocedure::text, 'type', g.aggtranstype::regtype::text,
                                            'final', g.aggfinalfn::text, 'initial', g.agginitval)
                    FROM pg_aggregate AS g WHERE g.aggfnoid = p.oid)))::text AS facts
  FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE n.nspname = ANY ($1::text[])
   AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                                                AND d.deptype = 'e'))sql";
}

std::string Types() {
  return "SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range'"
         " ELSE 'composite type' END AS kind, n.nspname || '.' || t.typname AS name,"
         " jsonb_strip_nulls(jsonb_build_object('owner', t.typowner::regrole::text, 'grants', " +
         Acl("t.typacl", "T", "t.typowner") + ", 'comment', " + Comment("t.oid", "pg_type") +
         R"sql(, 'values', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e
                       WHERE e.enumtypid = t.oid),
    'base', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
    'default', CASE WHEN t.typtype = 'd' THEN t.typdefault END,
    'not null', CASE WHEN t.typtype = 'd' THEN nullif(t.typnotnull, false) END,
    'constraints', (SELECT jsonb_object_agg(k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint AS k
                     WHERE k.contypid = t.oid AND k.contype = 'c'),
    'attributes', (SELECT jsonb_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
                     FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
    'subtype', (SELECT g.rngsubtype::regtype::text FROM pg_range AS g WHERE g.rngtypid = t.oid)))::text AS facts
  FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
 WHERE n.nspname = ANY ($1::text[])
   AND (t.typtype IN ('e', 'd', 'r')
        OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
UNION ALL
SELECT 'collation', n.nspname || '.' || l.collname,
       jsonb_build_object('owner', l.collowner::regrole::text, 'provider', l.collprovider,
                          'deterministic', l.collisdeterministic)::text
  FROM pg_collation AS l JOIN pg_namespace AS n ON n.oid = l.collnamespace WHERE n.nspname = ANY ($1::text[])
UNION ALL
SELECT 'operator', n.nspname || '.' || o.oprname || '(' || o.oprleft::regtype || ', ' || o.oprright::regtype || ')',
       jsonb_build_object('owner', o.oprowner::regrole::text, 'function', o.oprcode::text)::text
  FROM pg_operator AS o JOIN pg_namespace AS n ON n.oid = o.oprnamespace WHERE n.nspname = ANY ($1::text[])
UNION ALL
SELECT 'extension', e.extname::text, jsonb_build_object('version', e.extversion, 'schema', n.nspname)::text
  FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE $1::text[] IS NOT NULL)sql";
}

std::string Sequences(bool with_values) {
  return "SELECT 'sequence' AS kind, n.nspname || '.' || c.relname AS name,"
         " jsonb_strip_nulls(jsonb_build_object('owner', c.relowner::regrole::text, 'grants', " +
         Acl("c.relacl", "s", "c.relowner") + ", 'comment', " + Comment("c.oid", "pg_class") +
         R"sql(, 'type', s.seqtypid::regtype::text, 'start', s.seqstart, 'increment', s.seqincrement, 'least', s.seqmin,
    'most', s.seqmax, 'cache', s.seqcache, 'cycles', nullif(s.seqcycle, false),
    'persistence', nullif(c.relpersistence, 'p'),
    'owned by', (SELECT d.refobjid::regclass::text || '.' || a.attname FROM pg_depend AS d
                   JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))sql" +
         // Of a column's own sequence whoever inserts moves it on.
         std::string(
             with_values
                 ? ", 'value', CASE WHEN NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid ="
                   " 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))"
                   " THEN pg_sequence_last_value(c.oid) END"
                 : "") +
         R"sql())::text AS facts
  FROM pg_sequence AS s
  JOIN pg_class AS c ON c.oid = s.seqrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY ($1::text[]))sql";
}

}  // namespace

std::vector<std::string> OwnedSchemas() {
  std::vector<std::string> schemas;
  for (const std::string_view service : Services()) {
    for (const std::string_view schema : SchemasOf(service)) {
      if (schema != kLedgerSchema) schemas.emplace_back(schema);
    }
  }
  return schemas;
}

std::vector<std::string> CatalogQueries(int server_version, bool with_sequence_values) {
  std::string relations = Relations();
  // Before 14 nothing could be half detached.
  relations.replace(relations.find("%s"), 2, server_version >= 14 ? "i.inhdetachpending" : "false");
  return {Schemas(),     relations, Columns(),
          Constraints(), Indexes(), Behaviour(),
          Functions(),   Types(),   Sequences(with_sequence_values)};
}

}  // namespace lockstep::migration
