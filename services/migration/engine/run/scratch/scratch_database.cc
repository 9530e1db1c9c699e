#include "services/migration/engine/run/scratch/scratch_database.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/pg/conninfo.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/session.h"

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
constexpr char kLocale[] =
    "SELECT pg_encoding_to_char(d.encoding)::text AS encoding, d.datcollate::text AS collation,"
    "       d.datctype::text AS ctype FROM pg_database AS d WHERE d.datname = current_database()";

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

absl::Status CreateEmpty(pg::Connection& administrator, const std::string& name) {
  ASSIGN_OR_RETURN(const pg::Result locale, administrator.Query(kLocale));
  const absl::Status created =
      administrator
          .Query(absl::StrCat(
              "CREATE DATABASE ", pg::QuoteIdentifier(name), " TEMPLATE template0 ENCODING ",
              pg::QuoteLiteral(std::string(locale[0].Text("encoding"))), " LC_COLLATE ",
              pg::QuoteLiteral(std::string(locale[0].Text("collation"))), " LC_CTYPE ",
              pg::QuoteLiteral(std::string(locale[0].Text("ctype")))))
          .status();
  if (pg::SqlStateOf(created) != "42501") return created;
  return Error(absl::StatusCode::kFailedPrecondition, "SCRATCH_NOT_PERMITTED",
               "this needs a scratch database, and the role may not create databases: give "
               "--admin-url (LOCKSTEP_ADMIN_URL of the service) of a role with CREATEDB");
}

// What reaches beyond the database in which it runs.
bool IsGlobal(std::string_view tag) {
  constexpr std::string_view kGlobal[] = {
      "ALTER SYSTEM",     "ALTER DATABASE",      "CREATEDB",
      "DROPDB",           "ALTER ROLE",          "CREATE ROLE",
      "DROP ROLE",        "ALTER ROLE SET",      "CREATE TABLE SPACE",
      "DROP TABLE SPACE", "CREATE SUBSCRIPTION", "GRANT ROLE",
      "REASSIGN OWNED",   "DROP OWNED"};
  return std::any_of(std::begin(kGlobal), std::end(kGlobal),
                     [&](std::string_view global) { return tag.starts_with(global); });
}

}  // namespace

ScratchDatabase::ScratchDatabase(std::string administrator_url, std::string name,
                                 EngineOptions options)
    : administrator_url_(std::move(administrator_url)),
      name_(std::move(name)),
      options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<ScratchDatabase>> ScratchDatabase::Create(
    const Context& context, const EngineOptions& live) {
  RETURN_IF_ERROR(context.Check());
  const EngineOptions administrator_options = AsAdministrator(live);
  ASSIGN_OR_RETURN(const auto administrator, OpenSession(administrator_options, kPurpose));
  RETURN_IF_ERROR(DropStale(*administrator));
  const std::string name = absl::StrCat(
      absl::FormatTime(kNameFormat, absl::Now(), absl::UTCTimeZone()), "_", NewUuid().substr(0, 8));
  EngineOptions options = administrator_options;
  ASSIGN_OR_RETURN(options.admin_url, pg::WithDatabase(administrator_options.database_url, name));
  ASSIGN_OR_RETURN(options.database_url, pg::WithDatabase(live.database_url, name));
  options.soak = absl::ZeroDuration();
  options.standby_spacing = absl::ZeroDuration();
  RETURN_IF_ERROR(CreateEmpty(*administrator, name));
  std::unique_ptr<ScratchDatabase> scratch(
      new ScratchDatabase(administrator_options.database_url, name, std::move(options)));
  Engine engine(scratch->options(), Definitions());
  RETURN_IF_ERROR(engine.Bootstrap(context).status());
  return scratch;
}

ScratchDatabase::~ScratchDatabase() {
  EngineOptions options = options_;
  options.database_url = administrator_url_;
  const auto administrator = OpenSession(options, kPurpose);
  if (!administrator.ok()) return;
  (void)(*administrator)
      ->Query("DROP DATABASE IF EXISTS " + pg::QuoteIdentifier(name_) + " WITH (FORCE)");
}

absl::StatusOr<std::unique_ptr<pg::Connection>> ScratchDatabase::Connect() const {
  return OpenSession(AsAdministrator(options_), kPurpose);
}

absl::Status ScratchDatabase::BringTo(const Context& context, const Definitions& definitions,
                                      const AppliedState& state) const {
  Engine engine(options_, definitions);
  NullEventSink sink;
  RunOptions run;
  run.verify = false;
  // In the global order everything that a revision needs is there before it, so each service's
  // newest one brings the rest along.
  std::map<std::string, std::string> newest;
  for (const Revision& revision : definitions.revisions) {
    const auto applied = state.revisions.find(revision.id);
    if (applied != state.revisions.end() && applied->second.is_complete) {
      newest[revision.service] = revision.id;
    }
  }
  for (const auto& [service, id] : newest) {
    RETURN_IF_ERROR(engine.Upgrade(context, service + "@" + id, run, sink).status());
  }
  return absl::OkStatus();
}

std::vector<std::string> GlobalSteps(const Graph& graph, const Plan& plan) {
  std::vector<std::string> found;
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    for (const std::size_t index : item.steps) {
      const Step& step = revision.steps[index];
      if (step.kind != StepKind::kPrivileged) continue;
      for (const std::string& tag : step.up.facts.tags) {
        if (IsGlobal(tag)) {
          found.push_back(absl::StrCat(revision.id, " step ", step.name, ": ", tag));
        }
      }
    }
  }
  return found;
}

}  // namespace lockstep::migration
