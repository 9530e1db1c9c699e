#include "services/migration/engine/run/amendment.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/checksum.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/sql_reader.h"
#include "services/migration/engine/sql_rules.h"
#include "services/migration/engine/target.h"

namespace lockstep::migration {
namespace {

// The ordinal in "02_copy_legacy.down.sql", or 0.
int OrdinalInName(const std::string& file) {
  const std::string name = file.substr(file.rfind('/') + 1);
  if (name.size() < 3 || std::isdigit(static_cast<unsigned char>(name[0])) == 0 ||
      std::isdigit(static_cast<unsigned char>(name[1])) == 0 || name[2] != '_') {
    return 0;
  }
  return (name[0] - '0') * 10 + (name[1] - '0');
}

// So many amendments of one revision make a person look at it.
constexpr std::size_t kMostCombinations = 4096;

// Whether `recorded` is the checksum of `revision` with some choice among the checksums of its
// amended steps: the ledger's was made from what files and ledger had then.
bool FitsWithSome(Revision revision, const AmendedSteps& amended, const std::string& recorded) {
  std::size_t combinations = 1;
  for (const auto& [ordinal, checksums] : amended) {
    combinations = std::min(combinations * checksums.size(), kMostCombinations);
  }
  for (std::size_t n = 0; n < combinations; ++n) {
    std::size_t rest = n;
    for (const auto& [ordinal, checksums] : amended) {
      const auto chosen = static_cast<std::ptrdiff_t>(rest % checksums.size());
      rest /= checksums.size();
      revision.steps[static_cast<std::size_t>(ordinal) - 1].checksum =
          *std::next(checksums.begin(), chosen);
    }
    if (RevisionChecksum(revision) == recorded) return true;
  }
  return false;
}

// The checksums of a revision in the ledger.
struct Recorded {
  std::string revision;  // "" while it is not complete
  std::map<int, std::string> steps;
};

absl::StatusOr<Recorded> LoadRecorded(pg::Connection& connection, const std::string& revision) {
  ASSIGN_OR_RETURN(pg::Result rows,
                   connection.Query("SELECT s.ordinal, s.checksum, coalesce(r.checksum, '') AS "
                                    "revision_checksum FROM migration.applied_steps s"
                                    "  LEFT JOIN migration.applied_revisions r USING (revision)"
                                    " WHERE revision = $1",
                                    revision));
  Recorded recorded;
  for (const pg::Row row : rows) {
    recorded.revision = row.Text("revision_checksum");
    recorded.steps[row.Get<std::int32_t>("ordinal")] = row.Text("checksum");
  }
  return recorded;
}

}  // namespace

void AcceptAmended(const Revision& in_files, const AmendedSteps& amended,
                   AppliedRevision& applied) {
  AmendedSteps known;
  for (AppliedStep& step : applied.steps) {
    const auto found = amended.find(step.ordinal);
    if (found == amended.end() || step.ordinal > static_cast<int>(in_files.steps.size())) continue;
    std::set<std::string>& checksums = known[step.ordinal] = found->second;
    checksums.insert(step.checksum);
    const std::string& now = in_files.steps[static_cast<std::size_t>(step.ordinal) - 1].checksum;
    if (checksums.contains(now)) step.checksum = now;
  }
  if (applied.is_complete && applied.checksum != in_files.checksum &&
      FitsWithSome(in_files, known, applied.checksum)) {
    applied.checksum = in_files.checksum;
  }
}

absl::StatusOr<Amendment> ReadAmendment(const Graph& graph, const AmendOptions& options) {
  if (options.reason.empty()) {
    return InvalidField("reason", "REASON_REQUIRED", "say why the archived script is replaced");
  }
  Amendment amendment;
  ASSIGN_OR_RETURN(const std::size_t position, ResolveRevision(graph, options.revision));
  amendment.revision = &graph.at(position);
  const std::vector<Step>& steps = amendment.revision->steps;
  int ordinal = options.step != 0 ? options.step : OrdinalInName(options.file_name);
  if (ordinal == 0 && steps.size() == 1) ordinal = 1;
  if (ordinal < 1 || ordinal > static_cast<int>(steps.size())) {
    return InvalidField("step", "STEP_UNKNOWN",
                        absl::StrFormat("revision %s has %d steps; name one of them",
                                        amendment.revision->id, steps.size()));
  }
  amendment.step = &steps[static_cast<std::size_t>(ordinal) - 1];
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  ReadSql read = ReadSqlText(options.file_name, options.down_sql, problems, warnings);
  std::set<std::string> used;
  if (read.is_readable) {
    CheckSql(read,
             {.service = amendment.revision->service,
              .kind = amendment.step->kind,
              .references = &amendment.revision->references},
             used, problems);
  }
  if (!problems.empty()) {
    return InvalidField("down_sql", "AMENDMENT_INVALID", JoinProblems(problems));
  }
  amendment.down = std::move(read.script);
  amendment.down.file = amendment.step->down.file;
  return amendment;
}

absl::Status RunAmend(RunSession& session, const Amendment& amendment,
                      const AmendOptions& options) {
  const Revision& revision = *amendment.revision;
  const Step& step = *amendment.step;
  // What the checksums become once the folder holds the new file; both old and new are accepted
  // from now on. The other steps count with what the ledger says: an amendment before this one may
  // have changed them, and the folder may not have that file yet.
  Revision amended = revision;
  ASSIGN_OR_RETURN(Recorded recorded, LoadRecorded(session.connection, revision.id));
  const auto done = recorded.steps.find(step.ordinal);
  if (done == recorded.steps.end()) {
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_NOT_APPLIED",
                 "only the archived script of an applied step can be amended; edit the file of one "
                 "that is not")
        .With("revision", std::string_view(revision.id));
  }
  for (Step& other : amended.steps) {
    const auto found = recorded.steps.find(other.ordinal);
    if (found != recorded.steps.end()) other.checksum = found->second;
  }
  Step& changed = amended.steps[static_cast<std::size_t>(step.ordinal) - 1];
  changed.down = amendment.down;
  changed.checksum = StepChecksum(changed);
  amended.checksum = RevisionChecksum(amended);
  ASSIGN_OR_RETURN(const Script before,
                   LoadArchivedScript(session.connection, revision.id, step.ordinal, "down"));

  std::string sql = "BEGIN;\n" + AssertLeaseSql(session.key);
  sql += absl::StrFormat(
      "INSERT INTO migration.amendments (kind, revision, ordinal, old_checksum, new_checksum, "
      "old_revision_checksum,"
      " old_body, new_body, reason, actor, run_id) VALUES ('down_replaced', %s, %d, %s, %s, %s, "
      "%s, %s, %s, %s, %s);\n",
      pg::QuoteLiteral(revision.id), step.ordinal, pg::QuoteLiteral(done->second),
      pg::QuoteLiteral(changed.checksum), pg::QuoteLiteral(recorded.revision),
      pg::QuoteLiteral(before.text), pg::QuoteLiteral(amendment.down.text),
      pg::QuoteLiteral(options.reason), session.sql.actor, session.sql.run);
  sql += absl::StrFormat(
      "UPDATE migration.applied_steps SET checksum = %s WHERE revision = %s AND ordinal = %d;\n",
      pg::QuoteLiteral(changed.checksum), pg::QuoteLiteral(revision.id), step.ordinal);
  sql +=
      absl::StrFormat("UPDATE migration.applied_revisions SET checksum = %s WHERE revision = %s;\n",
                      pg::QuoteLiteral(amended.checksum), pg::QuoteLiteral(revision.id));
  sql += absl::StrFormat(
      "SELECT migration.keep_scripts(%s, jsonb_build_array(jsonb_build_object('ordinal', %d, "
      "'role', 'down', 'file', %s::text,"
      " 'body', %s::text)));\n",
      pg::QuoteLiteral(revision.id), step.ordinal, pg::QuoteLiteral(amendment.down.file),
      pg::QuoteLiteral(amendment.down.text));
  std::vector<Happening> tail = {
      {.kind = "amended",
       .message = absl::StrFormat("replaced the archived undo of %s step %d (%s): %s", revision.id,
                                  step.ordinal, step.name, options.reason),
       .revision = revision.id,
       .step = step.ordinal,
       .step_name = step.name}};
  const auto stored =
      RunScript(session.connection, sql + session.journal.RecordSql(std::move(tail)) + "COMMIT;");
  if (!stored.ok()) {
    if (!session.connection.is_lost()) session.journal.RolledBack();
    return TranslateLedgerError(stored.status());
  }
  session.journal.Committed();
  return absl::OkStatus();
}

}  // namespace lockstep::migration
