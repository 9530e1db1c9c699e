#include "services/migration/engine/run/repeatable_dependents.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"

namespace lockstep::migration {
namespace {

// $1, $2: catalog ("view" or not) and oid of the roots. A rule stands for its view or table; the
// row types of what goes are no news. Deepest first.
constexpr char kDependentsSql[] = R"(
WITH RECURSIVE goes(classid, objid, depth) AS (
    SELECT CASE WHEN r.kind = 'view' THEN 'pg_class'::regclass::oid ELSE 'pg_proc'::regclass::oid END, r.objid::oid, 0
      FROM unnest($1::text[], $2::text[]) AS r(kind, objid)
    UNION
    SELECT s.classid, s.objid, g.depth + 1
      FROM goes AS g
      JOIN pg_depend AS d ON d.refclassid = g.classid AND d.refobjid = g.objid
      LEFT JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
     CROSS JOIN LATERAL (SELECT CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_class'::regclass::oid END AS classid,
                                coalesce(w.ev_class, d.objid) AS objid) AS s
     WHERE (s.classid, s.objid) <> (g.classid, g.objid) AND g.depth < 64
)
SELECT CASE WHEN g.classid = 'pg_class'::regclass THEN 'view' ELSE g.classid::regclass::text END AS catalog,
       g.objid::text AS objid, pg_describe_object(g.classid, g.objid, 0) AS what
  FROM goes AS g
 WHERE NOT (g.classid = 'pg_type'::regclass
            AND EXISTS (SELECT FROM pg_type AS t LEFT JOIN pg_type AS e ON e.oid = t.typelem
                         WHERE t.oid = g.objid
                           AND coalesce(nullif(t.typrelid, 0), e.typrelid)
                               IN (SELECT v.objid FROM goes AS v WHERE v.classid = 'pg_class'::regclass)))
 GROUP BY g.classid, g.objid
 ORDER BY max(g.depth) DESC, what
)";

std::string CatalogOf(const std::string& kind) { return kind == "view" ? "view" : "pg_proc"; }

}  // namespace

std::string KnownObject::service() const {
  return std::string(OwnerOf(object.name.substr(0, object.name.find('.'))));
}

std::string KnownObject::DropSql() const {
  std::string kind = object.kind;
  std::transform(kind.begin(), kind.end(), kind.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return "DROP " + kind + " " + object.identity;
}

absl::StatusOr<Dependents> FindDependents(pg::Connection& connection,
                                          const std::vector<KnownObject>& known,
                                          const std::set<std::string>& roots) {
  Dependents found;
  if (roots.empty()) return found;
  std::vector<std::string> kinds;
  std::vector<std::string> identities;
  for (const KnownObject& entry : known) {
    kinds.push_back(entry.object.kind);
    identities.push_back(entry.object.identity);
  }
  ASSIGN_OR_RETURN(
      pg::Result there,
      connection.Query("SELECT k.n::integer AS n, coalesce(migration.repeatable_oid(k.kind,"
                       " k.identity)::text, '') AS oid"
                       "  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY"
                       "    AS k(kind, identity, n) ORDER BY k.n",
                       pg::ArrayLiteral(kinds), pg::ArrayLiteral(identities)));
  std::map<std::pair<std::string, std::string>, const KnownObject*> by_oid;
  std::vector<std::string> root_kinds;
  std::vector<std::string> root_oids;
  for (const pg::Row row : there) {
    if (row.Text("oid").empty()) continue;
    const KnownObject& entry = known[static_cast<std::size_t>(row.Get<std::int32_t>("n")) - 1];
    const bool is_new =
        by_oid.emplace(std::pair(CatalogOf(entry.object.kind), row.Text("oid")), &entry).second;
    if (!is_new || !roots.contains(entry.object.identity)) continue;
    root_kinds.push_back(entry.object.kind);
    root_oids.push_back(row.Text("oid"));
  }
  if (root_oids.empty()) return found;
  ASSIGN_OR_RETURN(pg::Result rows, connection.Query(kDependentsSql, pg::ArrayLiteral(root_kinds),
                                                     pg::ArrayLiteral(root_oids)));
  for (const pg::Row row : rows) {
    const auto entry = by_oid.find({row.Text("catalog"), row.Text("objid")});
    if (entry == by_oid.end()) {
      found.others.push_back(row.Text("what"));
    } else {
      found.goes.push_back(*entry->second);
    }
  }
  return found;
}

}  // namespace lockstep::migration
