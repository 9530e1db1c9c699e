#include "services/migration/engine/run/verifier.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/run/boundary.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {
namespace {

constexpr std::size_t kQueriesInOneMessage = 100;
constexpr int kShownViolations = 5;

struct Check {
  const Revision* revision;
  const std::string* statement;
  std::string id;
};

std::vector<Check> ChecksOf(const Graph& graph, const RevisionSet& revisions) {
  std::vector<Check> checks;
  for (const std::size_t position : revisions) {
    const Revision& revision = graph.at(position);
    for (std::size_t i = 0; i < revision.verify.statements.size(); ++i) {
      checks.push_back({&revision, &revision.verify.statements[i], CheckId(revision.verify, i)});
    }
  }
  return checks;
}

// In pieces, so that nobody waits behind this for long.
constexpr absl::Duration kOneLockWait = absl::Seconds(5);
// Also when the time for locks is used up: a lock that is held for a moment only is no obstacle.
constexpr absl::Duration kShortestLockWait = absl::Milliseconds(100);

// What the server says to a statement that went over statement_timeout, among other things.
constexpr char kStatementCancelled[] = "57014";

std::string QueryOf(const Check& check) {
  // With .* the whole row is meant, also when it has a column that is called like the alias.
  return "SELECT to_jsonb(violation.*)::text FROM (\n" + *check.statement +
         "\n) AS violation LIMIT " + std::to_string(kShownViolations + 1) + ";\n";
}

VerificationResult ResultOf(const Check& check, const pg::Result& rows) {
  VerificationResult result;
  result.revision = check.revision->id;
  result.check_id = check.id;
  result.expected = "no violations";
  result.passed = rows.empty();
  result.ran_at = absl::Now();
  result.actual = rows.empty() ? "no violations" : "";
  for (int row = 0; row < std::min(rows.size(), kShownViolations); ++row) {
    result.actual += (row == 0 ? "" : "; ") + rows.Cell(row, 0).value_or("NULL");
  }
  if (rows.size() > kShownViolations) result.actual += "; and more";
  return result;
}

class Verifier {
 public:
  Verifier(const Context& context, pg::Connection& connection, const Graph& graph,
           const AppliedState& state, VerifyLimits limits, Journal& journal)
      : context_(context),
        connection_(connection),
        graph_(graph),
        state_(state),
        limits_(limits),
        journal_(journal),
        patience_(limits.lock_wait) {}

  absl::Status RunTogether(const std::vector<Check>& checks);
  Verifications Take() { return std::move(found_); }

 private:
  std::string BeginReading() const;
  absl::Status RunAlone(const Check& check);
  absl::StatusOr<std::vector<pg::Result>> Ask(const Check& check);
  void Skip(const Check& check);

  const Context& context_;
  pg::Connection& connection_;
  const Graph& graph_;
  const AppliedState& state_;
  const VerifyLimits limits_;
  Journal& journal_;
  absl::Duration patience_;  // with locks: what is left of it
  Verifications found_;
};

std::string Verifier::BeginReading() const {
  const absl::Duration lock_wait = std::clamp(patience_, kShortestLockWait, kOneLockWait);
  return absl::StrFormat(
      "BEGIN READ ONLY;\nSELECT set_config('statement_timeout', '%d', true),"
      " set_config('lock_timeout', '%d', true),"
      " set_config('search_path', '%s', true), set_config('TimeZone', 'UTC', true);\n",
      absl::ToInt64Milliseconds(limits_.timeout), absl::ToInt64Milliseconds(lock_wait),
      kSearchPath);
}

absl::Status Verifier::RunTogether(const std::vector<Check>& checks) {
  RETURN_IF_ERROR(context_.Check());
  std::string sql = BeginReading();
  std::vector<std::size_t> places;  // of each check's result among those of the message
  std::size_t next = 2;
  const Revision* previous = nullptr;
  for (const Check& check : checks) {
    if (previous == nullptr || previous->service != check.revision->service) {
      sql += EnterRoleSql(OwnerRole(check.revision->service));
      ++next;
    }
    previous = check.revision;
    sql += QueryOf(check);
    places.push_back(next++);
  }
  auto answers = RunScript(connection_, sql + "COMMIT;");
  if (!answers.ok()) {
    if (connection_.is_lost()) return answers.status();
    // One of them cannot run. Find out which, and let the others count.
    for (const Check& check : checks) RETURN_IF_ERROR(RunAlone(check));
    return absl::OkStatus();
  }
  for (std::size_t i = 0; i < checks.size(); ++i) {
    found_.results.push_back(ResultOf(checks[i], (*answers)[places[i]]));
  }
  return absl::OkStatus();
}

// One query, as often as it meets a lock and there is time.
absl::StatusOr<std::vector<pg::Result>> Verifier::Ask(const Check& check) {
  for (int tries = 0;; ++tries) {
    RETURN_IF_ERROR(context_.Check());
    const absl::Time asked = absl::Now();
    auto answers =
        RunScript(connection_, BeginReading() + EnterRoleSql(OwnerRole(check.revision->service)) +
                                   QueryOf(check) + "COMMIT;");
    if (answers.ok() || connection_.is_lost() || !IsAboutLocks(answers.status()) ||
        patience_ <= absl::ZeroDuration()) {
      return answers;
    }
    RETURN_IF_ERROR(Sleep(context_, Backoff(tries)));
    patience_ -= absl::Now() - asked;
  }
}

absl::Status Verifier::RunAlone(const Check& check) {
  const auto answers = Ask(check);
  if (answers.ok()) {
    found_.results.push_back(ResultOf(check, (*answers)[3]));
    return absl::OkStatus();
  }
  if (connection_.is_lost()) return answers.status();
  // That the caller went away says nothing about the check.
  RETURN_IF_ERROR(context_.Check());
  const auto diagnostics = pg::DiagnosticsOf(answers.status());
  const auto position = graph_.Find(check.revision->id);
  // Only the message: a hint may name what is there instead.
  if (diagnostics.has_value() && position.has_value() &&
      (diagnostics->sqlstate == "42P01" || diagnostics->sqlstate == "42703") &&
      NamesWhatWasDropped(graph_, state_, *position, diagnostics->message)) {
    Skip(check);
    return absl::OkStatus();
  }
  if (IsAboutLocks(answers.status()) || pg::SqlStateOf(answers.status()) == kStatementCancelled) {
    found_.undecided.push_back(check.revision->id + " " + check.id + ": " +
                               DescribeDatabaseError(answers.status()));
    return absl::OkStatus();
  }
  VerificationResult failed;
  failed.revision = check.revision->id;
  failed.check_id = check.id;
  failed.expected = "no violations";
  failed.actual = "error " + DescribeDatabaseError(answers.status());
  failed.ran_at = absl::Now();
  found_.results.push_back(std::move(failed));
  return absl::OkStatus();
}

void Verifier::Skip(const Check& check) {
  journal_.Emit({.kind = "verification_skipped",
                 .message = check.id + " of " + check.revision->id +
                            " is about what a later revision dropped",
                 .revision = check.revision->id});
}

struct DroppedNames {
  std::set<std::string> tables;   // "core.items"
  std::set<std::string> columns;  // without their tables: errors call those by their aliases
};

// What revisions after `position` that are applied completely dropped of what its verification
// reads.
DroppedNames DroppedSince(const Graph& graph, const AppliedState& state, std::size_t position) {
  const std::vector<std::string>& read = graph.at(position).verify.facts.read;
  const auto is_read = [&](const std::string& table) {
    return std::find(read.begin(), read.end(), table) != read.end();
  };
  DroppedNames dropped;
  for (std::size_t later = position + 1; later < graph.size(); ++later) {
    const auto applied = state.revisions.find(graph.at(later).id);
    if (applied == state.revisions.end() || !applied->second.is_complete) continue;
    for (const Step& step : graph.at(later).steps) {
      for (const std::string& table : step.up.facts.tables_dropped) {
        if (is_read(table)) dropped.tables.insert(table);
      }
      for (const ColumnName& column : step.up.facts.columns_dropped) {
        if (is_read(column.table)) dropped.columns.insert(column.column);
      }
    }
  }
  return dropped;
}

// Whether `name` stands in the text as a whole name, behind a quote, an alias or a blank. The
// wording around it depends on the server's language.
bool HasName(std::string_view text, const std::string& name) {
  const auto is_part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
  };
  for (std::size_t at = text.find(name); at != std::string_view::npos;
       at = text.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    const bool begins = at == 0 || !is_part(text[at - 1]);
    const bool ends = end == text.size() || (!is_part(text[end]) && text[end] != '.');
    if (begins && ends) return true;
  }
  return false;
}

}  // namespace

void Touched::Add(const Revision& revision, const Script& script) {
  tables.insert(script.facts.written.begin(), script.facts.written.end());
  tables.insert(script.facts.rows_destroyed_in.begin(), script.facts.rows_destroyed_in.end());
  if (script.is_opaque || script.facts.has_hidden_code) services.insert(revision.service);
}

std::string DependentViewsSql(const Touched& touched) {
  std::vector<std::string> schemas;
  for (const std::string& service : touched.services) {
    for (const std::string_view schema : SchemasOf(service)) schemas.emplace_back(schema);
  }
  return "WITH RECURSIVE reached AS ("
         "  SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
         "   WHERE n.nspname || '.' || c.relname = ANY (" +
         TextArraySql({touched.tables.begin(), touched.tables.end()}) +
         ")      OR n.nspname = ANY (" + TextArraySql(schemas) +
         ")  UNION"
         "  SELECT r.ev_class FROM reached JOIN pg_depend AS d"
         "     ON d.refclassid = 'pg_class'::regclass AND d.refobjid = reached.oid"
         "    AND d.classid = 'pg_rewrite'::regclass"
         "    JOIN pg_rewrite AS r ON r.oid = d.objid)"
         "SELECT n.nspname || '.' || c.relname AS name FROM reached"
         "  JOIN pg_class AS c ON c.oid = reached.oid JOIN pg_namespace AS n ON n.oid = "
         "c.relnamespace"
         " WHERE c.relkind IN ('v', 'm')";
}

absl::Status AddDependentViews(pg::Connection& connection, Touched& touched) {
  ASSIGN_OR_RETURN(pg::Result views, connection.Query(DependentViewsSql(touched)));
  for (const pg::Row row : views) touched.tables.insert(row.Text("name"));
  return absl::OkStatus();
}

std::vector<std::string> NamesDroppedSince(const Graph& graph, const AppliedState& state,
                                           std::size_t position) {
  const DroppedNames dropped = DroppedSince(graph, state, position);
  std::vector<std::string> names(dropped.tables.begin(), dropped.tables.end());
  names.insert(names.end(), dropped.columns.begin(), dropped.columns.end());
  return names;
}

bool NamesWhatWasDropped(const Graph& graph, const AppliedState& state, std::size_t position,
                         std::string_view message) {
  const DroppedNames dropped = DroppedSince(graph, state, position);
  const auto is_named = [&](const std::string& name) { return HasName(message, name); };
  return std::any_of(dropped.tables.begin(), dropped.tables.end(), is_named) ||
         std::any_of(dropped.columns.begin(), dropped.columns.end(), is_named);
}

std::string CheckId(const Script& script, std::size_t n) {
  std::string id = script.file.substr(script.file.rfind('/') + 1);
  if (n < script.lines.size()) id += ":" + std::to_string(script.lines[n]);
  return id;
}

RevisionSet Verifiable(const Graph& graph, const AppliedState& state) {
  const auto is_complete = [&](std::size_t position) {
    const auto found = state.revisions.find(graph.at(position).id);
    return found != state.revisions.end() && found->second.is_complete;
  };
  std::set<std::string> superseded;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (!is_complete(i)) continue;
    superseded.insert(graph.at(i).supersedes_verify.begin(), graph.at(i).supersedes_verify.end());
  }
  RevisionSet verifiable;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (is_complete(i) && !graph.at(i).verify.empty() && !superseded.contains(graph.at(i).id)) {
      verifiable.push_back(i);
    }
  }
  return verifiable;
}

RevisionSet Affected(const Graph& graph, const AppliedState& state, const Touched& touched) {
  RevisionSet affected;
  for (const std::size_t position : Verifiable(graph, state)) {
    const Revision& revision = graph.at(position);
    const ScriptFacts& facts = revision.verify.facts;
    const bool is_affected =
        touched.revisions.contains(revision.id) || revision.verify.is_opaque ||
        std::any_of(facts.read.begin(), facts.read.end(), [&](const std::string& table) {
          return touched.tables.contains(table) ||
                 touched.services.contains(std::string(OwnerOf(table.substr(0, table.find('.')))));
        });
    if (is_affected) affected.push_back(position);
  }
  return affected;
}

VerifyLimits LimitsOf(const EngineOptions& options) {
  return {.timeout = options.verify_timeout, .lock_wait = options.verify_lock_wait};
}

absl::StatusOr<Verifications> RunVerifications(const Context& context, pg::Connection& connection,
                                               const Graph& graph, const AppliedState& state,
                                               const RevisionSet& revisions, VerifyLimits limits,
                                               Journal& journal) {
  const std::vector<Check> checks = ChecksOf(graph, revisions);
  Verifier verifier(context, connection, graph, state, limits, journal);
  for (std::size_t i = 0; i < checks.size(); i += kQueriesInOneMessage) {
    const auto begin = checks.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end = checks.begin() +
                     static_cast<std::ptrdiff_t>(std::min(i + kQueriesInOneMessage, checks.size()));
    RETURN_IF_ERROR(verifier.RunTogether({begin, end}));
  }
  return verifier.Take();
}

Happening FailedCheck(const VerificationResult& check) {
  Happening happened;
  happened.kind = "verification";
  happened.revision = check.revision;
  happened.message = check.check_id + " of " + check.revision + " FAILS: " + check.actual;
  happened.details = JsonObject(
      nlohmann::json{{"check_id", check.check_id}, {"passed", false}, {"actual", check.actual}});
  return happened;
}

absl::Status VerificationStatus(const Verifications& found) {
  std::string failures;
  for (const VerificationResult& check : found.results) {
    if (!check.passed)
      failures += "\n  " + check.revision + " " + check.check_id + ": " + check.actual;
  }
  if (!failures.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "VERIFICATION_FAILED",
                 "these verifications found violations:" + failures);
  }
  if (found.undecided.empty()) return absl::OkStatus();
  std::string list;
  for (const std::string& line : found.undecided) list += "\n  " + line;
  return Error(absl::StatusCode::kFailedPrecondition, "VERIFICATION_BLOCKED",
               "no verification found a violation, but these could not be decided:" + list);
}

}  // namespace lockstep::migration
