#include "services/migration/engine/run/rehearsal.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/sqlstate.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/lock_retry.h"
#include "services/migration/engine/run/preflight.h"
#include "services/migration/engine/run/repeatable_run.h"
#include "services/migration/engine/run/undo.h"

namespace lockstep::migration {
namespace {

absl::Status Impossible(const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, "REHEARSAL_IMPOSSIBLE", why);
}

// Statements that change no row which a guard could count. An index that is still there in the
// rehearsal goes with its table or column.
bool IsAboutIndexesOnly(const Script& script) {
  constexpr std::string_view kTags[] = {"CREATE INDEX", "DROP INDEX", "REINDEX", "VACUUM",
                                        "ANALYZE"};
  return !script.is_opaque &&
         std::all_of(script.facts.tags.begin(), script.facts.tags.end(), [&](const auto& tag) {
           return std::find(std::begin(kTags), std::end(kTags), tag) != std::end(kTags);
         });
}

class Rehearsal {
 public:
  Rehearsal(RunSession& session, const Plan& plan, const RunOptions& run)
      : session_(session), plan_(plan), run_(run) {}

  absl::Status Load(const Plan& plan, const AppliedState& state, std::size_t last);
  absl::Status Run();

 private:
  struct Undo {
    const Step* step;
    Script down;
  };
  struct Item {
    const Revision* revision;
    Script guard;  // empty: it is not asked
    std::vector<Undo> undos;
  };

  absl::Status Once();
  absl::Status SetAside();
  absl::Status Ask(const Item& item);
  absl::Status Try(const Item& item, const Undo& undo);
  // In the owner's role, with the limits of the step.
  absl::Status Enter(const Revision& revision, const Limits& limits);

  RunSession& session_;
  const Plan& plan_;
  const RunOptions& run_;
  std::vector<Item> items_;
  bool has_hidden_code_ = false;
};

absl::Status Rehearsal::Load(const Plan& plan, const AppliedState& state, std::size_t last) {
  for (std::size_t i = 0; i <= last; ++i) {
    const Revision& revision = session_.graph.at(plan.items[i].position);
    Item& item = items_.emplace_back(Item{.revision = &revision, .guard = {}, .undos = {}});
    const auto applied = state.revisions.find(revision.id);
    if (applied != state.revisions.end() && applied->second.is_complete) {
      ASSIGN_OR_RETURN(item.guard,
                       LoadArchivedScript(session_.connection, revision.id, 0, "guard"));
    }
    if (i == last) break;
    for (const std::size_t index : plan.items[i].steps) {
      const Step& step = revision.steps[index];
      ASSIGN_OR_RETURN(Script down,
                       LoadArchivedScript(session_.connection, revision.id, step.ordinal, "down"));
      if (IsAboutIndexesOnly(down)) continue;
      if (step.kind == StepKind::kNonTransactional || step.kind == StepKind::kPrivileged) {
        return Impossible(revision.id + " step " + step.name + " does not run in a transaction");
      }
      has_hidden_code_ = has_hidden_code_ || down.is_opaque || down.facts.has_hidden_code;
      item.undos.push_back({&step, std::move(down)});
    }
  }
  return absl::OkStatus();
}

absl::Status Rehearsal::Enter(const Revision& revision, const Limits& limits) {
  RETURN_IF_ERROR(MayGoOn(session_));
  return session_.connection
      .Script(absl::StrFormat("SET LOCAL ROLE NONE;\nSET LOCAL lock_timeout = %d;\n"
                              "SET LOCAL statement_timeout = %d;\n",
                              limits.lock_timeout_ms, limits.statement_timeout_ms) +
              EnterRoleSql(OwnerRole(revision.service)))
      .status();
}

absl::Status Rehearsal::Ask(const Item& item) {
  if (item.guard.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Enter(*item.revision, item.revision->steps.back().limits));
  auto asked = AskGuard(session_.connection, item.guard);
  if (!asked.ok()) {
    if (IsAboutLocks(asked.status()) || session_.connection.is_lost() ||
        pg::SqlStateOf(asked.status()).empty()) {
      return asked.status();
    }
    return ScriptError("STEP_FAILED",
                       "the guard " + item.guard.file + " would fail in its turn; nothing was done",
                       asked.status());
  }
  return RefusalOf(*item.revision, *asked, run_.archive);
}

absl::Status Rehearsal::Try(const Item& item, const Undo& undo) {
  RETURN_IF_ERROR(Enter(*item.revision, undo.step->limits));
  const absl::Status tried =
      undo.down.is_opaque
          ? session_.connection.Query(undo.down.statements.front()).status()
          : session_.connection.Script(JoinStatements(undo.down.statements) + kFireConstraints)
                .status();
  if (tried.ok() || IsAboutLocks(tried) || session_.connection.is_lost() ||
      pg::SqlStateOf(tried).empty()) {
    return tried;
  }
  return Impossible(undo.down.file + ": " + DescribeDatabaseError(tried));
}

// What a downgrade sets aside before its first undo would be in the way of these as well.
absl::Status Rehearsal::SetAside() {
  ASSIGN_OR_RETURN(const migration::SetAside found,
                   FindInTheWay(session_.connection, session_.graph, plan_));
  if (found.goes.empty()) return absl::OkStatus();
  std::vector<std::string> ignored;
  const absl::Status dropped = session_.connection
                                   .Script(JoinStatements(DropStatements(
                                       found.goes, items_.front().revision->service, ignored)))
                                   .status();
  if (dropped.ok() || IsAboutLocks(dropped) || session_.connection.is_lost() ||
      pg::SqlStateOf(dropped).empty()) {
    return dropped;
  }
  return Impossible("repeatable definitions: " + DescribeDatabaseError(dropped));
}

absl::Status Rehearsal::Once() {
  auto begun = session_.connection.Script(
      BeginSql(session_.sql, items_.front().revision->steps.back().limits));
  if (!begun.ok()) return TranslateLedgerError(begun.status());
  RETURN_IF_ERROR(SetAside());
  for (const Item& item : items_) {
    RETURN_IF_ERROR(Ask(item));
    for (const Undo& undo : item.undos) RETURN_IF_ERROR(Try(item, undo));
  }
  killpoint::Killpoint("rehearsed");
  return session_.connection.Script("ROLLBACK").status();
}

absl::Status Rehearsal::Run() {
  const Item& asked = items_.back();
  const StepTask task{.revision = *asked.revision,
                      .step = asked.revision->steps.back(),
                      .direction = Direction::kDown,
                      .script = asked.guard};
  session_.journal.Emit({.kind = "guard_rehearsed",
                         .message = "the guard of " + asked.revision->id + " (" +
                                    asked.revision->title +
                                    ") depends on what is undone before it: trying that in a "
                                    "transaction that is rolled back",
                         .revision = asked.revision->id});
  // Its locks are those of all the undos together.
  std::vector<const Script*> downs;
  for (const Item& item : items_) {
    for (const Undo& undo : item.undos) downs.push_back(&undo.down);
  }
  Preflight preflight(session_, task, downs);
  const absl::Status status = RetryOnLocks(
      session_, task, session_.connection, [&] { return Once(); }, &preflight);
  // Hidden code may have changed the session itself, behind settings that end with the transaction.
  if (has_hidden_code_ && !session_.connection.is_lost()) {
    RETURN_IF_ERROR(ResetSession(session_.connection));
  }
  return status;
}

}  // namespace

absl::Status RehearseGuards(RunSession& session, const Plan& plan, const AppliedState& state,
                            const RunOptions& run, std::size_t last) {
  Rehearsal rehearsal(session, plan, run);
  RETURN_IF_ERROR(rehearsal.Load(plan, state, last));
  return rehearsal.Run();
}

}  // namespace lockstep::migration
