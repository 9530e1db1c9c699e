#include "services/migration/engine/run/repeatable_change.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/repeatable_reader.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/repeatable_ledger.h"

namespace lockstep::migration {
namespace {

constexpr char kAsMigrator[] = "SET LOCAL ROLE NONE;\n";

std::string InRoleOf(std::string_view service) {
  return "SET LOCAL ROLE " + pg::QuoteIdentifier(OwnerRole(service));
}

// What CREATE OR REPLACE refuses and DROP with CREATE does not: other columns, another result.
bool NeedsDrop(const absl::Status& status) {
  const std::string state = pg::SqlStateOf(status);
  return state == "42P16" || state == "42P13";
}

// What PostgreSQL knows of an object beside its text: grants, which CREATE OR REPLACE leaves alone,
// and the comment. As statements that bring them back.
using Belongings = std::map<std::string, std::vector<std::string>>;  // by identity

constexpr char kBelongingsSql[] = R"(
WITH o AS (
    SELECT k.identity, k.words, k.n, migration.repeatable_oid(k.kind, k.identity) AS oid, k.kind
      FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k(kind, identity, words, n)
), a AS (
    SELECT o.*, CASE WHEN o.kind = 'view' THEN c.relacl ELSE p.proacl END AS acl,
           coalesce(c.relowner, p.proowner) AS owner,
           CASE WHEN o.kind = 'view' THEN 'TABLE' ELSE o.words END AS granted,
           obj_description(o.oid, CASE WHEN o.kind = 'view' THEN 'pg_class' ELSE 'pg_proc' END) AS remark
      FROM o LEFT JOIN pg_class AS c ON o.kind = 'view' AND c.oid = o.oid
             LEFT JOIN pg_proc AS p ON o.kind <> 'view' AND p.oid = o.oid
)
SELECT identity, format('REVOKE ALL ON %s %s FROM PUBLIC', granted, identity) AS statement, n, 1 AS place
  FROM a WHERE acl IS NOT NULL
UNION ALL
SELECT identity, format('GRANT %s ON %s %s TO %s%s', x.privilege_type, granted, identity,
                        CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
                        CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), n, 2
  FROM a, aclexplode(a.acl) AS x WHERE x.grantee <> a.owner
UNION ALL
SELECT identity, format('COMMENT ON %s %s IS %L', words, identity, remark), n, 3 FROM a WHERE remark IS NOT NULL
 ORDER BY n, place, statement
)";

absl::StatusOr<Belongings> LoadBelongings(pg::Connection& connection,
                                          const std::vector<KnownObject>& goes) {
  Belongings belongings;
  if (goes.empty()) return belongings;
  std::vector<std::string> kinds;
  std::vector<std::string> identities;
  std::vector<std::string> words;
  for (const KnownObject& entry : goes) {
    kinds.push_back(entry.object.kind);
    identities.push_back(entry.object.identity);
    std::string word = entry.object.kind;
    for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    words.push_back(std::move(word));
  }
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query(kBelongingsSql, pg::ArrayLiteral(kinds),
                                    pg::ArrayLiteral(identities), pg::ArrayLiteral(words)));
  for (const pg::Row row : rows) belongings[row.Text("identity")].push_back(row.Text("statement"));
  return belongings;
}

// What one statement of a definition creates.
std::vector<RepeatableObject> CreatedByStatement(const std::string& statement) {
  Script script;
  script.text = statement;
  return CreatedObjects(script);
}

// Finds out in savepoints what it takes to apply one definition.
class Applier {
 public:
  Applier(RunSession& session, const StepTask& task, const Repeatable& repeatable,
          const RepeatableScope& scope, pg::Connection& connection)
      : session_(session),
        task_(task),
        repeatable_(repeatable),
        scope_(scope),
        connection_(connection) {}

  absl::StatusOr<Prepared> Prepare(std::vector<std::string>& applied);

 private:
  absl::Status Plan();
  // Whether it worked; false: another root was found. The savepoint is rolled back either way.
  absl::StatusOr<bool> Try();
  absl::Status TryPart(const Repeatable& part, int& failed);
  std::vector<std::string> StatementsOf(const Repeatable& part) const;
  Prepared Result(std::vector<std::string>& applied) const;

  RunSession& session_;
  const StepTask& task_;
  const Repeatable& repeatable_;
  const RepeatableScope& scope_;
  pg::Connection& connection_;
  std::set<std::string> roots_;  // identities that CREATE OR REPLACE cannot change
  Dependents dependents_;
  Belongings belongings_;
  std::vector<const Repeatable*> parts_;  // in the order in which they are applied
};

absl::Status Applier::Plan() {
  ASSIGN_OR_RETURN(dependents_, FindDependents(connection_, scope_.known, roots_));
  if (!dependents_.others.empty()) {
    return InUse(task_.text() + " would have to drop and make again " + absl::StrJoin(roots_, ", "),
                 dependents_.others);
  }
  ASSIGN_OR_RETURN(belongings_, LoadBelongings(connection_, dependents_.goes));
  parts_.clear();
  for (const Repeatable& definition : scope_.definitions) {
    const bool goes =
        std::any_of(dependents_.goes.begin(), dependents_.goes.end(),
                    [&](const KnownObject& entry) { return entry.key == definition.key(); });
    if (goes || definition.key() == repeatable_.key()) parts_.push_back(&definition);
  }
  return absl::OkStatus();
}

std::vector<std::string> Applier::StatementsOf(const Repeatable& part) const {
  if (belongings_.empty()) return part.script.statements;
  std::vector<std::string> statements;
  for (const std::string& statement : part.script.statements) {
    statements.push_back(statement);
    for (const RepeatableObject& object : CreatedByStatement(statement)) {
      const auto kept = belongings_.find(object.identity);
      if (kept == belongings_.end()) continue;
      statements.insert(statements.end(), kept->second.begin(), kept->second.end());
    }
  }
  return statements;
}

absl::Status Applier::TryPart(const Repeatable& part, int& failed) {
  failed = -1;
  RETURN_IF_ERROR(MayGoOn(session_));
  RETURN_IF_ERROR(connection_.Script(InRoleOf(part.service)).status());
  const absl::Status status = connection_.Script(JoinStatements(StatementsOf(part))).status();
  if (!status.ok()) failed = connection_.completed_statements();
  return status;
}

absl::StatusOr<bool> Applier::Try() {
  std::vector<std::string> ignored;
  const absl::Status dropped =
      connection_
          .Script("SAVEPOINT repeatable;\n" +
                  JoinStatements(DropStatements(dependents_.goes, task_.revision.service, ignored)))
          .status();
  if (!dropped.ok()) {
    if (IsAboutLocks(dropped) || connection_.is_lost() || pg::SqlStateOf(dropped).empty()) {
      return dropped;
    }
    return ScriptError("STEP_FAILED", task_.text() + " could not drop what it makes again",
                       dropped);
  }
  for (const Repeatable* part : parts_) {
    int failed = -1;
    const absl::Status status = TryPart(*part, failed);
    if (status.ok()) continue;
    if (IsAboutLocks(status) || connection_.is_lost() || pg::SqlStateOf(status).empty()) {
      return status;
    }
    const std::vector<std::string> statements = StatementsOf(*part);
    const auto index = static_cast<std::size_t>(std::max(failed, 0));
    bool is_news = false;
    if (NeedsDrop(status) && failed >= 0 && index < statements.size()) {
      for (const RepeatableObject& object : CreatedByStatement(statements[index])) {
        is_news = roots_.insert(object.identity).second || is_news;
      }
    }
    if (!is_news) {
      std::string place = part->script.file;
      if (belongings_.empty() && failed >= 0 && index < part->script.lines.size()) {
        place += ":" + std::to_string(part->script.lines[index]);
      }
      return ScriptError("STEP_FAILED", task_.text() + " failed at " + place, status);
    }
    RETURN_IF_ERROR(connection_.Script("ROLLBACK TO SAVEPOINT repeatable").status());
    return false;
  }
  RETURN_IF_ERROR(connection_.Script("ROLLBACK TO SAVEPOINT repeatable").status());
  return true;
}

Prepared Applier::Result(std::vector<std::string>& applied) const {
  Prepared prepared;
  const std::string& service = task_.revision.service;
  const bool is_alone = parts_.size() == 1 && dependents_.goes.empty();
  if (is_alone) {
    prepared.statements = repeatable_.script.statements;
  } else {
    prepared.statements = DropStatements(dependents_.goes, service, prepared.extra_schemas);
  }
  for (const Repeatable* part : parts_) {
    applied.push_back(part->key());
    prepared.record_sql += RecordRepeatableSql(session_.sql, *part, scope_.heads);
    if (is_alone) continue;
    prepared.statements.push_back(InRoleOf(part->service));
    const std::vector<std::string> statements = StatementsOf(*part);
    prepared.statements.insert(prepared.statements.end(), statements.begin(), statements.end());
    for (const std::string_view schema : SchemasOf(part->service)) {
      prepared.extra_schemas.emplace_back(schema);
    }
    if (part == &repeatable_ || part->key() == repeatable_.key()) continue;
    prepared.events.push_back(
        task_.Event("repeatable_made_again", part->key() + " was dropped and made again with " +
                                                 repeatable_.key() + ", which it needs"));
  }
  if (!is_alone) prepared.statements.push_back(InRoleOf(service));
  return prepared;
}

absl::StatusOr<Prepared> Applier::Prepare(std::vector<std::string>& applied) {
  RETURN_IF_ERROR(connection_.Script(kAsMigrator).status());
  // Every round finds a root more, so it ends.
  while (true) {
    RETURN_IF_ERROR(Plan());
    ASSIGN_OR_RETURN(const bool works, Try());
    if (works) break;
  }
  RETURN_IF_ERROR(connection_.Script(InRoleOf(task_.revision.service)).status());
  return Result(applied);
}

}  // namespace

std::vector<KnownObject> KnownObjectsOf(const std::vector<Repeatable>& definitions,
                                        const AppliedState& state) {
  std::vector<KnownObject> known;
  std::set<std::string> claimed;
  for (const Repeatable& definition : definitions) {
    for (const RepeatableObject& object : definition.objects) {
      claimed.insert(object.identity);
      known.push_back({object, definition.key()});
    }
  }
  for (const auto& [key, applied] : state.repeatables) {
    for (const RepeatableObject& object : applied.objects) {
      if (!claimed.contains(object.identity)) known.push_back({object, ""});
    }
  }
  return known;
}

absl::Status InUse(std::string_view what, const std::vector<std::string>& others) {
  return Error(absl::StatusCode::kFailedPrecondition, "REPEATABLE_IN_USE",
               std::string(what) + ", but this is in no repeatable definition and needs it: " +
                   absl::StrJoin(others, ", ") +
                   "; move it into one, or drop it in a revision first")
      .With("others", static_cast<long long>(others.size()));
}

std::vector<std::string> DropStatements(const std::vector<KnownObject>& goes,
                                        std::string_view service,
                                        std::vector<std::string>& schemas) {
  std::vector<std::string> statements;
  std::string role_of(service);
  // A try begins as the migrator, a step in the role of its service.
  if (!goes.empty()) statements.push_back(InRoleOf(service));
  for (const KnownObject& entry : goes) {
    const std::string owner = entry.service();
    if (owner != role_of) {
      statements.push_back(InRoleOf(owner));
      for (const std::string_view schema : SchemasOf(owner)) schemas.emplace_back(schema);
    }
    role_of = owner;
    statements.push_back(entry.DropSql());
  }
  if (role_of != service) statements.push_back(InRoleOf(service));
  return statements;
}

absl::StatusOr<Prepared> PrepareApply(RunSession& session, const StepTask& task,
                                      const Repeatable& repeatable, const RepeatableScope& scope,
                                      pg::Connection& connection,
                                      std::vector<std::string>& applied) {
  applied.clear();
  return Applier(session, task, repeatable, scope, connection).Prepare(applied);
}

absl::StatusOr<Prepared> PrepareDrop(RunSession& session, const StepTask& task,
                                     const PlannedRepeatable& planned, const RepeatableScope& scope,
                                     pg::Connection& connection) {
  RETURN_IF_ERROR(connection.Script(kAsMigrator).status());
  std::set<std::string> roots;
  for (const RepeatableObject& object : planned.objects) roots.insert(object.identity);
  ASSIGN_OR_RETURN(Dependents dependents, FindDependents(connection, scope.known, roots));
  for (const KnownObject& entry : dependents.goes) {
    if (!entry.key.empty()) {
      dependents.others.push_back(entry.object.identity + " of repeatable " + entry.key);
    }
  }
  if (!dependents.others.empty()) {
    return InUse(task.text() + " would drop " + absl::StrJoin(roots, ", "), dependents.others);
  }
  RETURN_IF_ERROR(connection.Script(InRoleOf(task.revision.service)).status());
  Prepared prepared;
  prepared.statements =
      DropStatements(dependents.goes, task.revision.service, prepared.extra_schemas);
  prepared.record_sql = DropRepeatableSql(session.sql, planned.service, planned.name,
                                          planned.repeatable == nullptr, scope.heads);
  return prepared;
}

}  // namespace lockstep::migration
