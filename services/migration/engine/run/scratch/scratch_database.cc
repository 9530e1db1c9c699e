#include "services/migration/engine/run/scratch/scratch_database.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/pg/conninfo.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/spec_rules.h"
#include "services/migration/engine/target.h"

namespace lockstep::migration {
namespace {

constexpr char kPurpose[] = "scratch";
constexpr char kNameFormat[] = "lockstep_scratch_%Y%m%d%H%M";

// $1: names before this one are old. They must have nobody in them.
constexpr char kStale[] =
    "SELECT d.datname::text AS name FROM pg_database AS d"
    " WHERE d.datname LIKE 'lockstep\\_scratch\\_%' AND d.datname < $1"
    "   AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datname = d.datname)";

// Values of text compare and sort as they do in the live one.
// The columns of the provider have other names in other versions, and before 15 there are none.
constexpr char kLocale[] =
    "SELECT pg_encoding_to_char(d.encoding)::text AS encoding, d.datcollate::text AS collation,"
    "       d.datctype::text AS ctype, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,"
    "       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') AS locale"
    "  FROM pg_database AS d WHERE d.datname = current_database()";

EngineOptions AsAdministrator(const EngineOptions& live) {
  EngineOptions options = live;
  if (!live.admin_url.empty()) options.database_url = live.admin_url;
  options.session_ahead = nullptr;
  return options;
}

absl::Status DropStale(pg::Connection& administrator) {
  const std::string oldest =
      absl::FormatTime(kNameFormat, absl::Now() - absl::Hours(6), absl::UTCTimeZone());
  ASSIGN_OR_RETURN(const pg::Result stale, administrator.Query(kStale, oldest));
  for (const pg::Row row : stale) {
    const std::string name(row.Text("name"));
    // Somebody else may be at it as well.
    (void)administrator.Query("DROP DATABASE IF EXISTS " + pg::QuoteIdentifier(name));
  }
  return absl::OkStatus();
}

std::string ProviderOf(const pg::Row& row) {
  const std::string provider(row.Text("provider"));
  const std::string locale = pg::QuoteLiteral(std::string(row.Text("locale")));
  if (provider == "i") return " LOCALE_PROVIDER icu ICU_LOCALE " + locale;
  return provider == "b" ? " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + locale : "";
}

absl::Status CreateEmpty(pg::Connection& administrator, const std::string& name) {
  ASSIGN_OR_RETURN(const pg::Result locale, administrator.Query(kLocale));
  const absl::Status created =
      administrator
          .Query(absl::StrCat(
              "CREATE DATABASE ", pg::QuoteIdentifier(name), " TEMPLATE template0 ENCODING ",
              pg::QuoteLiteral(std::string(locale[0].Text("encoding"))), " LC_COLLATE ",
              pg::QuoteLiteral(std::string(locale[0].Text("collation"))), " LC_CTYPE ",
              pg::QuoteLiteral(std::string(locale[0].Text("ctype"))), ProviderOf(locale[0])))
          .status();
  if (pg::SqlStateOf(created) == "42P04") {
    return Error(absl::StatusCode::kAlreadyExists, "DATABASE_EXISTS",
                 "there is a database " + name + " already; give a name that is free");
  }
  if (pg::SqlStateOf(created) != "42501") return created;
  return Error(absl::StatusCode::kFailedPrecondition, "SCRATCH_NOT_PERMITTED",
               "this needs a scratch database, and the role may not create databases: give "
               "--admin-url (LOCKSTEP_ADMIN_URL of the service) of a role with CREATEDB");
}

// What stays inside the database in which it runs.
bool IsLocal(std::string_view tag) {
  constexpr std::string_view kLocal[] = {
      "CREATE EXTENSION", "ALTER EXTENSION", "DROP EXTENSION",  "CREATE SCHEMA", "DROP SCHEMA",
      "COMMENT",          "CREATE TABLE",    "ALTER TABLE",     "DROP TABLE",    "CREATE INDEX",
      "DROP INDEX",       "CREATE VIEW",     "DROP VIEW",       "CREATE TYPE",   "DROP TYPE",
      "CREATE DOMAIN",    "DROP DOMAIN",     "CREATE SEQUENCE", "DROP SEQUENCE", "CREATE FUNCTION",
      "DROP FUNCTION",    "CREATE CAST",     "DROP CAST"};
  return std::find(std::begin(kLocal), std::end(kLocal), tag) != std::end(kLocal);
}

void AddBeyond(const Revision& revision, const Step& step, const Script& script,
               std::vector<std::string>& beyond) {
  if (script.is_opaque) {
    beyond.push_back(absl::StrCat(revision.id, " ", script.file, ": cannot be read"));
  }
  for (const std::string& tag : script.facts.tags) {
    // What an import gives the service's owner: rights on schemas are those of one database.
    const bool is_on_schemas = revision.phase == Phase::kLegacy && script.facts.changes_schemas &&
                               (tag == "GRANT" || tag == "REVOKE");
    if (IsLocal(tag) || is_on_schemas) continue;
    beyond.push_back(absl::StrCat(revision.id, " step ", step.name, ": ", tag));
    return;
  }
}

// The definitions with nothing but these revisions.
Definitions Only(const Definitions& all, const AppliedState& state) {
  const auto is_there = [&](const std::string& id) {
    const auto applied = state.revisions.find(id);
    return applied != state.revisions.end() && applied->second.is_complete;
  };
  Definitions some = all;
  some.repeatables.clear();
  std::erase_if(some.revisions, [&](const Revision& each) { return !is_there(each.id); });
  for (Release& release : some.releases) {
    std::erase_if(release.revisions, [&](const std::string& id) { return !is_there(id); });
  }
  std::erase_if(some.releases, [](const Release& each) { return each.revisions.empty(); });
  return some;
}

}  // namespace

ScratchDatabase::ScratchDatabase(std::string administrator_url, std::string name,
                                 EngineOptions options, std::unique_lock<std::mutex> slot)
    : administrator_url_(std::move(administrator_url)),
      name_(std::move(name)),
      options_(std::move(options)),
      slot_(std::move(slot)) {}

absl::StatusOr<std::unique_ptr<ScratchDatabase>> ScratchDatabase::Create(const Context& context,
                                                                         const EngineOptions& live,
                                                                         std::string name) {
  RETURN_IF_ERROR(context.Check());
  static std::mutex one_at_a_time;
  std::unique_lock<std::mutex> slot(one_at_a_time, std::try_to_lock);
  if (!slot.owns_lock()) {
    return Error(absl::StatusCode::kAborted, "SCRATCH_IN_USE",
                 "another rehearsal or look for drift is at work here; try again when it is done");
  }
  const EngineOptions administrator_options = AsAdministrator(live);
  ASSIGN_OR_RETURN(const auto administrator, OpenSession(administrator_options, kPurpose));
  RETURN_IF_ERROR(administrator->Query("SET statement_timeout = 0").status());
  RETURN_IF_ERROR(DropStale(*administrator));
  if (name.empty()) {
    name = absl::StrCat(absl::FormatTime(kNameFormat, absl::Now(), absl::UTCTimeZone()), "_",
                        NewUuid().substr(0, 8));
  }
  EngineOptions options = administrator_options;
  ASSIGN_OR_RETURN(options.admin_url, pg::WithDatabase(administrator_options.database_url, name));
  ASSIGN_OR_RETURN(options.database_url, pg::WithDatabase(live.database_url, name));
  options.soak = absl::ZeroDuration();
  options.standby_spacing = absl::ZeroDuration();
  options.compares_views = false;
  RETURN_IF_ERROR(CreateEmpty(*administrator, name));
  std::unique_ptr<ScratchDatabase> scratch(new ScratchDatabase(
      administrator_options.database_url, name, std::move(options), std::move(slot)));
  Engine engine(scratch->options(), Definitions());
  RETURN_IF_ERROR(engine.Bootstrap(context).status());
  return scratch;
}

ScratchDatabase::~ScratchDatabase() {
  if (is_kept_) return;
  EngineOptions options = options_;
  options.database_url = administrator_url_;
  const auto administrator = OpenSession(options, kPurpose);
  if (!administrator.ok()) return;
  (void)(*administrator)->Query("SET statement_timeout = 0");
  const std::string drop = "DROP DATABASE IF EXISTS " + pg::QuoteIdentifier(name_);
  // Without FORCE it waits for sessions that are just ending; with it, it ends those that stay, for
  // which the administrator may lack the right.
  if ((*administrator)->Query(drop).ok()) return;
  (void)(*administrator)->Query(drop + " WITH (FORCE)");
}

absl::StatusOr<std::unique_ptr<pg::Connection>> ScratchDatabase::Connect() const {
  return OpenSession(AsAdministrator(options_), kPurpose);
}

absl::Status ScratchDatabase::BringTo(const Context& context, const Definitions& definitions,
                                      const AppliedState& state) const {
  Definitions applied = Only(definitions, state);
  if (applied.revisions.empty()) return absl::OkStatus();
  std::vector<const Revision*> revisions;
  for (const Revision& revision : applied.revisions) revisions.push_back(&revision);
  RETURN_IF_ERROR(MayRunOnScratch(revisions));
  Engine engine(options_, std::move(applied));
  NullEventSink sink;
  RunOptions run;
  run.verify = false;
  // There are no builds here that a gate could wait for.
  run.force_gate = "scratch database";
  return engine.Upgrade(context, "head", run, sink).status();
}

absl::Status RebuildInto(const Context& context, const EngineOptions& live,
                         const Definitions& definitions, std::string_view target,
                         const std::string& name) {
  if (!IsIdentifier(name)) {
    return Error(absl::StatusCode::kInvalidArgument, "DATABASE_NAME_INVALID",
                 "\"" + name + "\" must be a name of lower-case letters, digits and _");
  }
  const Graph graph(definitions);
  ASSIGN_OR_RETURN(const Target at, ResolveTarget(graph, target, {}));
  AppliedState state;
  for (const std::size_t position : at.members) {
    state.revisions[graph.at(position).id].is_complete = true;
  }
  ASSIGN_OR_RETURN(const auto database, ScratchDatabase::Create(context, live, name));
  RETURN_IF_ERROR(database->BringTo(context, definitions, state));
  database->Keep();
  return absl::OkStatus();
}

absl::Status MayRunOnScratch(const std::vector<const Revision*>& revisions) {
  std::vector<std::string> beyond;
  for (const Revision* revision : revisions) {
    for (const Step& step : revision->steps) {
      if (step.kind != StepKind::kPrivileged) continue;
      AddBeyond(*revision, step, step.up, beyond);
      AddBeyond(*revision, step, step.down, beyond);
    }
  }
  if (beyond.empty()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "SCRATCH_HELD",
      absl::StrCat("these privileged steps may reach beyond one database and do not run on "
                   "a scratch database: ",
                   absl::StrJoin(beyond, "; ")));
}

}  // namespace lockstep::migration
