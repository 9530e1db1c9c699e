#include "services/migration/importer/adoption.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/pg/connection.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/scratch/scratch_database.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/step_sql.h"
#include "services/migration/importer/tool_ledger.h"
#include "services/migration/importer/writer.h"

namespace lockstep::migration {
namespace {

// Schemas in which the history may have made something: all but those of the server, of the engine
// and of other services ($1).
constexpr char kSchemas[] =
    "SELECT nspname::text AS name FROM pg_namespace WHERE nspname !~ '^pg_'"
    " AND nspname <> 'information_schema' AND nspname <> ALL ($1::text[]) ORDER BY 1";

// What somebody else than the role $2 owns in the schemas $1, as kind, name and owner, and the
// statement that moves it. Parts follow their table; what an extension made stays its own.
constexpr char kForeign[] = R"sql(
SELECT kind || ' ' || name || ' of ' || owner AS what, format('ALTER %s %s OWNER TO %I', kind, name, $2::text) AS sql FROM (
SELECT 0 AS rank, 'SCHEMA' AS kind, quote_ident(n.nspname) AS name, n.nspowner::regrole::text AS owner
  FROM pg_namespace AS n WHERE n.nspname = ANY ($1::text[]) AND n.nspname <> 'public' AND n.nspowner <> $2::text::regrole
UNION ALL
SELECT 1, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
            WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, format('%I.%I', n.nspname, c.relname), c.relowner::regrole::text
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname = ANY ($1::text[]) AND c.relowner <> $2::text::regrole
   AND c.oid <> coalesce(to_regclass($3), 0)
   AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                     AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass))
UNION ALL
SELECT 2, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END,
       format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), p.proowner::regrole::text
  FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE n.nspname = ANY ($1::text[]) AND p.proowner <> $2::text::regrole
   AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 3, CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, format('%I.%I', n.nspname, t.typname), t.typowner::regrole::text
  FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
 WHERE n.nspname = ANY ($1::text[]) AND t.typowner <> $2::text::regrole
   AND (t.typtype IN ('e', 'd', 'r')
        OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
   AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
) AS o ORDER BY rank, name)sql";

class Adoption {
 public:
  Adoption(const Context& context, const Definitions& definitions, const AdoptionOptions& options,
           EventSink& sink)
      : context_(context),
        definitions_(definitions),
        options_(options),
        sink_(sink),
        table_(options.tool_table.empty() ? DefaultLedgerTable(options.format)
                                          : options.tool_table) {}

  absl::StatusOr<AdoptionReport> Run();

 private:
  absl::Status EnsureLedger();
  absl::StatusOr<std::vector<std::string>> Schemas(pg::Connection& connection) const;
  absl::Status Compare(const AdoptedHistory& history);
  absl::Status FindForeign();
  absl::Status Transfer();
  absl::Status Stamp();

  const Context& context_;
  const Definitions& definitions_;
  const AdoptionOptions& options_;
  EventSink& sink_;
  const std::string table_;
  std::unique_ptr<pg::Connection> administrator_;
  std::vector<std::string> schemas_;
  std::vector<std::string> moves_;  // statements
  AdoptionReport report_;
};

absl::Status Adoption::EnsureLedger() {
  const absl::Status there = CheckLedger(*administrator_);
  if (ReasonOf(there) != "LEDGER_MISSING") return there;
  Engine engine(options_.engine, Definitions());
  ASSIGN_OR_RETURN(const BootstrapReport made, engine.Bootstrap(context_));
  report_.bootstrapped = made.done;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Adoption::Schemas(pg::Connection& connection) const {
  std::vector<std::string> others = {kLedgerSchema, "sqitch"};
  for (const std::string_view service : Services()) {
    if (service == options_.service) continue;
    for (const std::string_view schema : SchemasOf(service)) others.emplace_back(schema);
  }
  ASSIGN_OR_RETURN(const pg::Result found, connection.Query(kSchemas, pg::ArrayLiteral(others)));
  std::vector<std::string> schemas;
  for (const pg::Row row : found) schemas.push_back(row.Text("name"));
  return schemas;
}

absl::Status Adoption::Compare(const AdoptedHistory& history) {
  AppliedState state;
  const WriteOptions names{options_.format, options_.service, {}};
  const auto add = [&](const std::string& id) {
    state.revisions[id].service = options_.service;
    state.revisions[id].is_complete = true;
  };
  add(RevisionIdOf(names, kAccessVersion));
  for (std::size_t i = 0; i < history.applied; ++i) add(history.revisions[i]->id);
  ASSIGN_OR_RETURN(const auto scratch, ScratchDatabase::Create(context_, options_.engine));
  RETURN_IF_ERROR(scratch->BringTo(context_, definitions_, state));
  ASSIGN_OR_RETURN(const auto other, scratch->Connect());
  ASSIGN_OR_RETURN(const std::vector<std::string> made, Schemas(*other));
  ASSIGN_OR_RETURN(schemas_, Schemas(*administrator_));
  for (const std::string& schema : made) {
    if (std::find(schemas_.begin(), schemas_.end(), schema) == schemas_.end()) {
      schemas_.push_back(schema);
    }
  }
  // Of schemas that only the live database has nothing is known, and nothing is asked.
  const ImageOptions image{.with_sequence_values = false, .schemas = made};
  ASSIGN_OR_RETURN(const CatalogImage expected, ReadCatalogImage(*other, image));
  ASSIGN_OR_RETURN(const CatalogImage actual, ReadCatalogImage(*administrator_, image));
  report_.differences = CompareImages(expected, actual);
  std::erase_if(report_.differences, [&](const CatalogDifference& difference) {
    const bool is_tools = difference.name == table_ || difference.name.starts_with(table_ + ".") ||
                          difference.name.starts_with(table_ + "_");
    return is_tools || difference.fact == "owner" || difference.fact == "grants" ||
           difference.kind == "default privileges" || difference.kind == "schema" ||
           (difference.kind == "extension" &&
            difference.what == CatalogDifference::What::kUnexpected);
  });
  schemas_ = made;
  return absl::OkStatus();
}

absl::Status Adoption::FindForeign() {
  ASSIGN_OR_RETURN(const pg::Result found,
                   administrator_->Query(kForeign, pg::ArrayLiteral(schemas_),
                                         OwnerRole(options_.service), table_));
  for (const pg::Row row : found) {
    report_.foreign.push_back(row.Text("what"));
    moves_.push_back(row.Text("sql"));
  }
  return absl::OkStatus();
}

// Owners and the rights of the first revision of the import, in one transaction.
absl::Status Adoption::Transfer() {
  std::string sql = "BEGIN;\n";
  const std::string access = RevisionIdOf({options_.format, options_.service, {}}, kAccessVersion);
  for (const Revision& revision : definitions_.revisions) {
    if (revision.id != access) continue;
    for (const Step& step : revision.steps) sql += JoinStatements(step.up.statements);
  }
  if (options_.transfer_ownership) sql += JoinStatements(moves_);
  RETURN_IF_ERROR(RunScript(*administrator_, sql + "COMMIT;").status());
  report_.was_transferred = options_.transfer_ownership && !moves_.empty();
  return absl::OkStatus();
}

absl::Status Adoption::Stamp() {
  Engine engine(options_.engine, definitions_);
  RETURN_IF_ERROR(engine.Stamp(context_, report_.target, {}, sink_).status());
  report_.was_stamped = true;
  return absl::OkStatus();
}

absl::StatusOr<AdoptionReport> Adoption::Run() {
  if (!IsService(options_.service)) return UnknownService("--service");
  EngineOptions as_administrator = options_.engine;
  if (!options_.engine.admin_url.empty()) {
    as_administrator.database_url = options_.engine.admin_url;
  }
  as_administrator.session_ahead = nullptr;
  ASSIGN_OR_RETURN(administrator_, OpenSession(as_administrator, kReaderPurpose));
  ASSIGN_OR_RETURN(
      const AdoptedHistory history,
      ReadToolLedger(*administrator_, options_.format, table_, options_.service, definitions_));
  report_.applied = history.applied;
  report_.imported = history.revisions.size();
  if (history.applied == 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "TOOL_LEDGER_EMPTY",
                 table_ + " says that nothing is applied; run lockstep upgrade instead");
  }
  report_.target = options_.service + "@" + history.revisions[history.applied - 1]->id;
  RETURN_IF_ERROR(EnsureLedger());
  RETURN_IF_ERROR(Compare(history));
  RETURN_IF_ERROR(FindForeign());
  const bool differs = !report_.differences.empty() && !IsOnlyMild(report_.differences);
  if (differs && !options_.accept_differences) return std::move(report_);
  if (!moves_.empty() && !options_.transfer_ownership) return std::move(report_);
  RETURN_IF_ERROR(Transfer());
  RETURN_IF_ERROR(Stamp());
  return std::move(report_);
}

}  // namespace

absl::StatusOr<AdoptionReport> AdoptDatabase(const Context& context, const Definitions& definitions,
                                             const AdoptionOptions& options, EventSink& sink) {
  return Adoption(context, definitions, options, sink).Run();
}

}  // namespace lockstep::migration
