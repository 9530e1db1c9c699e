#include "services/migration/engine/run/engine.h"

#include <cstdio>
#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/amendment.h"
#include "services/migration/engine/run/bootstrap.h"
#include "services/migration/engine/run/freeze_ledger.h"
#include "services/migration/engine/run/lease.h"
#include "services/migration/engine/run/ledger.h"
#include "services/migration/engine/run/ledger_schema.h"
#include "services/migration/engine/run/plan_check.h"
#include "services/migration/engine/run/plan_runs.h"
#include "services/migration/engine/run/repeatable_ledger.h"
#include "services/migration/engine/run/run.h"
#include "services/migration/engine/run/run_verification.h"
#include "services/migration/engine/run/script_renderer.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/soak.h"
#include "services/migration/engine/run/verifier.h"
#include "services/migration/engine/run/whereabouts.h"

namespace lockstep::migration {
namespace {

// A connection for reading that ends its statements with the caller.
class Reader {
 public:
  static absl::StatusOr<Reader> Open(const EngineOptions& options, const Context& context) {
    RETURN_IF_ERROR(context.Check());
    ASSIGN_OR_RETURN(ReaderSession session, OpenReader(options));
    session.connection->SetIoDeadline(context.deadline());
    return Reader(std::move(session));
  }
  pg::Connection& operator*() { return *session_.connection; }
  pg::Connection* operator->() { return session_.connection.get(); }
  // What the ledger says; as it was while the definitions were loaded, where it was read ahead.
  absl::StatusOr<LedgerState> Ledger(const Graph& graph) {
    if (!session_.ledger.has_value()) return LoadLedger(**this, graph);
    return LedgerStateFrom(*std::exchange(session_.ledger, std::nullopt), **this, graph);
  }
  absl::StatusOr<AppliedState> State(const Graph& graph) {
    ASSIGN_OR_RETURN(LedgerState ledger, Ledger(graph));
    return std::move(ledger.applied);
  }
  std::unique_ptr<pg::Connection> Release() {
    session_.connection->SetIoDeadline(absl::InfiniteFuture());
    return std::move(session_.connection);
  }

 private:
  explicit Reader(ReaderSession session) : session_(std::move(session)) {}
  ReaderSession session_;
};

RunRequest RequestOf(std::string kind, std::string_view target, const RunOptions& run) {
  RunRequest request{.kind = std::move(kind),
                     .target = std::string(target),
                     .run_id = run.run_id.empty() ? NewUuid() : run.run_id};
  if (!run.force_freeze.empty()) request.details["force_freeze"] = run.force_freeze;
  if (!run.force_gate.empty()) request.details["force_gate"] = run.force_gate;
  if (!run.force_locks.empty()) request.details["force_locks"] = run.force_locks;
  if (run.reviewed.has_value()) request.details["plan"] = FingerprintOf(*run.reviewed);
  for (const HolderKind named : run.cancel_blockers) {
    request.details["cancel_blockers"].push_back(std::string(ToText(named)));
  }
  return request;
}

// The report of a run that found nothing to do before it took the lease.
absl::StatusOr<RunReport> NothingToDo(pg::Connection& connection, const EngineOptions& options,
                                      const RunRequest& request, const RunOptions& run,
                                      const Graph& graph, const AppliedState& state) {
  RunReport report;
  report.nothing_to_do = true;
  report.heads = HeadsOf(graph, state);
  if (!run.record_when_empty) return report;
  RETURN_IF_ERROR(RecordRun(connection, options, request, RunState::kSucceeded));
  report.run_id = request.run_id;
  return report;
}

// Also without steps: repeatable definitions that changed; what a runner did that went away with
// the lease, or whose run ended before it verified, is to be verified.
absl::StatusOr<bool> MustRun(pg::Connection& connection, const Graph& graph,
                             const LedgerState& ledger, const Plan& plan, const RunOptions& run) {
  if (HasWork(plan, PlanRepeatables(graph, ledger.applied, plan), ledger.applied)) return true;
  if (ledger.is_lease_out) return IsLeaseAbandoned(connection);
  return run.verify && ledger.has_unverified_runs;
}

// "schema"."table", or nullopt for text that is not schema.table.
std::string QuotedTable(const std::string& table) {
  const std::size_t dot = table.find('.');
  if (dot == std::string::npos) return pg::QuoteIdentifier(table);
  return pg::QuoteIdentifier(table.substr(0, dot)) + "." +
         pg::QuoteIdentifier(table.substr(dot + 1));
}

}  // namespace

std::string NewUuid() {
  static thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  const std::uint64_t high = (generator() & 0xffffffffffff0fffULL) | 0x4000ULL;
  const std::uint64_t low = (generator() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, (high >> 16) & 0xffff,
                         high & 0xffff, low >> 48, low & 0xffffffffffffULL);
}

Engine::Engine(EngineOptions options, Definitions definitions)
    : options_(std::move(options)), definitions_(std::move(definitions)), graph_(definitions_) {}

Engine::~Engine() = default;

absl::StatusOr<AppliedState> Engine::Applied(const Context& context) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  return reader.State(graph_);
}

absl::StatusOr<CurrentState> Engine::Current(const Context& context) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, reader.State(graph_));
  return LoadCurrent(*reader, graph_, state);
}

absl::StatusOr<EngineStatus> Engine::Status(const Context& context) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, reader.State(graph_));
  EngineStatus status;
  ASSIGN_OR_RETURN(status.current, LoadCurrent(*reader, graph_, state));
  for (const std::size_t head : graph_.Heads(graph_.All())) {
    status.target_heads.push_back(graph_.at(head).service + "@" + graph_.at(head).id);
  }
  for (const LedgerRevision& revision : status.current.revisions) {
    if (revision.state == RevisionState::kPartial) status.partial.push_back(revision.id);
    if (revision.state == RevisionState::kUnknown) status.unknown.push_back(revision.id);
  }
  for (std::size_t i = 0; i < graph_.size(); ++i) {
    const auto applied = state.revisions.find(graph_.at(i).id);
    if (applied == state.revisions.end() || !applied->second.is_complete) {
      status.pending.push_back(graph_.at(i).id);
    }
  }
  for (const PlannedRepeatable& planned : PendingRepeatables(definitions_, state)) {
    status.pending_repeatables.push_back(planned.key());
  }
  const absl::Status history = CheckHistory(graph_, state);
  if (!history.ok()) status.history_problem = MessageOf(history);
  ASSIGN_OR_RETURN(status.lease, LoadLease(*reader));
  ASSIGN_OR_RETURN(std::vector<RunInfo> runs, LoadRuns(*reader, 1, ""));
  if (!runs.empty()) status.last_run = std::move(runs.front());
  ASSIGN_OR_RETURN(status.open_freezes, LoadOpenFreezes(*reader));
  if (status.last_run.has_value() && status.last_run->state == RunState::kRunning) {
    ASSIGN_OR_RETURN(status.waits_for, LoadWaitsFor(*reader, status.last_run->id));
  }
  ASSIGN_OR_RETURN(const Whereabouts where, LookAround(*reader));
  status.runner_problem = where.refusal;
  status.runner_is_superuser = where.is_superuser;
  status.ledger_version = LedgerVersion();
  status.server_version = reader->server_version();
  return status;
}

absl::StatusOr<std::vector<HistoryEntry>> Engine::History(const Context& context, int limit) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  RETURN_IF_ERROR(CheckLedger(*reader));
  return LoadHistory(*reader, limit);
}

absl::StatusOr<std::vector<RunInfo>> Engine::ListRuns(const Context& context, int limit,
                                                      std::string_view before_run) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  RETURN_IF_ERROR(CheckLedger(*reader));
  return LoadRuns(*reader, limit, before_run);
}

absl::StatusOr<RunInfo> Engine::GetRun(const Context& context, std::string_view run_id) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  RETURN_IF_ERROR(CheckLedger(*reader));
  return LoadRun(*reader, run_id);
}

absl::StatusOr<std::vector<RunEvent>> Engine::ReadEvents(const Context& context,
                                                         std::string_view run_id,
                                                         std::int64_t after, int limit) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  return LoadEvents(*reader, run_id, after, limit);
}

absl::StatusOr<std::vector<VerificationResult>> Engine::VerificationResults(
    const Context& context, std::string_view revision, int limit) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  RETURN_IF_ERROR(CheckLedger(*reader));
  return LoadVerificationResults(*reader, revision, limit);
}

absl::StatusOr<std::map<std::string, std::int64_t>> Engine::CountRows(
    const Context& context, const std::vector<std::string>& tables) const {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  std::map<std::string, std::int64_t> counts;
  for (const std::string& table : tables) {
    RETURN_IF_ERROR(context.Check());
    ASSIGN_OR_RETURN(
        pg::Result there,
        reader->Query("SELECT to_regclass($1) IS NOT NULL AS is_there", QuotedTable(table)));
    if (!there[0].Get<bool>("is_there")) continue;
    ASSIGN_OR_RETURN(pg::Result rows,
                     reader->Query("SELECT count(*) AS n FROM " + QuotedTable(table)));
    counts[table] = rows[0].Get<std::int64_t>("n");
  }
  return counts;
}

absl::StatusOr<BootstrapReport> Engine::Bootstrap(const Context& context) {
  EngineOptions as_administrator = options_;
  if (!options_.admin_url.empty()) as_administrator.database_url = options_.admin_url;
  ASSIGN_OR_RETURN(Reader administrator, Reader::Open(as_administrator, context));
  return RunBootstrap(*administrator);
}

absl::StatusOr<RunReport> Engine::Upgrade(const Context& context, std::string_view target,
                                          const RunOptions& run, EventSink& sink) {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  ASSIGN_OR_RETURN(const LedgerState ledger, reader.Ledger(graph_));
  ASSIGN_OR_RETURN(const Plan plan, PlanUpgrade(graph_, ledger.applied, target));
  RETURN_IF_ERROR(MayRunPlan(*reader, graph_, ledger.applied, plan, run));
  const RunRequest request = RequestOf("upgrade", target, run);
  ASSIGN_OR_RETURN(const bool has_work, MustRun(*reader, graph_, ledger, plan, run));
  if (!has_work) return NothingToDo(*reader, options_, request, run, graph_, ledger.applied);
  return RunUnderLease(context, options_, graph_, request, reader.Release(), sink,
                       [&](RunSession& session, RunReport& report) {
                         return RunUpgrade(session, target, run, report);
                       });
}

absl::StatusOr<RunReport> Engine::Downgrade(const Context& context, std::string_view target,
                                            const RunOptions& run, EventSink& sink) {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  ASSIGN_OR_RETURN(const LedgerState ledger, reader.Ledger(graph_));
  ASSIGN_OR_RETURN(const Plan plan, PlanDowngrade(graph_, ledger.applied, target));
  RunRequest request = RequestOf("downgrade", target, run);
  request.details["archive"] = run.archive;
  request.details["allow_irreversible"] = run.allow_irreversible;
  RETURN_IF_ERROR(MayRunPlan(*reader, graph_, ledger.applied, plan, run));
  ASSIGN_OR_RETURN(bool has_work, MustRun(*reader, graph_, ledger, plan, run));
  if (!has_work) {
    ASSIGN_OR_RETURN(has_work, HasSoaks(*reader));
  }
  if (!has_work) return NothingToDo(*reader, options_, request, run, graph_, ledger.applied);
  return RunUnderLease(context, options_, graph_, request, reader.Release(), sink,
                       [&](RunSession& session, RunReport& report) {
                         return RunDowngrade(session, target, run, report);
                       });
}

absl::StatusOr<RunReport> Engine::Stamp(const Context& context, std::string_view target,
                                        const RunOptions& run, EventSink& sink) {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, reader.State(graph_));
  RETURN_IF_ERROR(PlanUpgrade(graph_, state, target).status());
  RETURN_IF_ERROR(MayRunNow(*reader, ""));
  return RunUnderLease(context, options_, graph_, RequestOf("stamp", target, run), reader.Release(),
                       sink, [&](RunSession& session, RunReport& report) -> absl::Status {
                         RETURN_IF_ERROR(MayBegin(session));
                         return RunStamp(session, target, report);
                       });
}

absl::StatusOr<VerifyReport> Engine::Verify(const Context& context, EventSink& sink) {
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  ASSIGN_OR_RETURN(const AppliedState state, reader.State(graph_));
  RETURN_IF_ERROR(CheckHistory(graph_, state));
  const RunRequest request = RequestOf("verify", "", {});
  RETURN_IF_ERROR(RecordRun(*reader, options_, request, RunState::kRunning));
  // Reads only, so it needs no lease: its own events are the only ones of this run.
  Journal journal(request.run_id, 0, sink);
  VerifyReport report;
  report.run_id = request.run_id;
  auto checks = RunVerifications(context, *reader, graph_, state, Verifiable(graph_, state),
                                 LimitsOf(options_), journal);
  if (checks.ok()) {
    const auto drifts = CheckRepeatables(*reader);
    if (drifts.ok()) {
      checks->results.insert(checks->results.end(), drifts->begin(), drifts->end());
    } else {
      checks = drifts.status();
    }
  }
  if (checks.ok()) {
    report.results = checks->results;
    for (const VerificationResult& check : report.results) {
      if (check.passed) continue;
      ++report.failed;
      journal.Emit(FailedCheck(check));
    }
  }
  const absl::Status outcome = checks.ok() ? VerificationStatus(*checks) : checks.status();
  journal.Emit({.kind = "run_finished",
                .message = outcome.ok()
                               ? absl::StrFormat("%d verifications hold", report.results.size())
                               : MessageOf(outcome)});
  const RunSql sql{.lease = "", .run = pg::QuoteLiteral(request.run_id), .actor = ""};
  RETURN_IF_ERROR(RunScript(*reader, "BEGIN;\n" + RecordChecksSql(sql, report.results) +
                                         journal.RecordSql() + EndRunSql(sql.run, outcome) +
                                         "COMMIT;")
                      .status());
  if (ReasonOf(outcome) != "VERIFICATION_FAILED") RETURN_IF_ERROR(outcome);
  return report;
}

absl::Status Engine::Amend(const Context& context, const AmendOptions& amend) {
  ASSIGN_OR_RETURN(const Amendment amendment, ReadAmendment(graph_, amend));
  ASSIGN_OR_RETURN(Reader reader, Reader::Open(options_, context));
  RETURN_IF_ERROR(CheckLedger(*reader));
  NullEventSink sink;
  return RunUnderLease(
             context, options_, graph_, RequestOf("amend", amendment.revision->id, {}),
             reader.Release(), sink,
             [&](RunSession& session, RunReport&) { return RunAmend(session, amendment, amend); })
      .status();
}

absl::StatusOr<std::string> Engine::UpgradeScript(std::string_view target,
                                                  const ScriptOptions& script) const {
  return RenderUpgrade(graph_, target, script);
}

absl::StatusOr<std::string> Engine::DowngradeScript(std::string_view target,
                                                    const ScriptOptions& script) const {
  return RenderDowngrade(graph_, target, script);
}

}  // namespace lockstep::migration
