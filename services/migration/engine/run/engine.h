// The migration engine on a database: what the server and `lockstep --direct` are made of.
//
// `Engine` joins a migrations folder (Definitions) with a database's ledger. Reading calls open one
// connection, ask, and close it. Calls that change something take the lease first, so that exactly
// one runner works at a time; they run on the caller's thread and report through an EventSink. A
// run that is killed anywhere can be repeated: the ledger is right at every moment.
//
// Thread-safe: every call uses connections of its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/doctor/doctor.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/events.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/freeze.h"
#include "services/migration/engine/run/gate.h"
#include "services/migration/engine/run/scratch/drift.h"
#include "services/migration/engine/run/scratch/rehearse.h"

namespace lockstep::migration {

class Engine {
 public:
  Engine(EngineOptions options, Definitions definitions);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Definitions& definitions() const { return definitions_; }
  const Graph& graph() const { return graph_; }
  const EngineOptions& options() const { return options_; }

  // Errors of everything below: UNAVAILABLE (DATABASE_UNREACHABLE and such); FAILED_PRECONDITION
  // (LEDGER_MISSING: run bootstrap; LEDGER_OUTDATED, LEDGER_TOO_NEW); those of the planner
  // (plan.h).

  // --- reading ---
  [[nodiscard]] absl::StatusOr<CurrentState> Current(const Context& context) const;
  [[nodiscard]] absl::StatusOr<EngineStatus> Status(const Context& context) const;
  // Newest first.
  [[nodiscard]] absl::StatusOr<std::vector<HistoryEntry>> History(const Context& context,
                                                                  int limit) const;
  [[nodiscard]] absl::StatusOr<AppliedState> Applied(const Context& context) const;
  // Also asks guards and instances what would refuse a downgrade.
  [[nodiscard]] absl::StatusOr<PlanReport> PlanFor(const Context& context, Direction direction,
                                                   std::string_view target) const;
  // Newest first; `before_run` continues a listing ("" = from the newest).
  [[nodiscard]] absl::StatusOr<std::vector<RunInfo>> ListRuns(
      const Context& context, int limit, std::string_view before_run = "") const;
  // NOT_FOUND (RUN_NOT_FOUND). `run_id` may be a unique prefix of at least 4 characters.
  [[nodiscard]] absl::StatusOr<RunInfo> GetRun(const Context& context,
                                               std::string_view run_id) const;
  // Events of the run with an offset above `after`, at most `limit`, in order. A reader that passes
  // the last offset it saw skips and repeats nothing.
  [[nodiscard]] absl::StatusOr<std::vector<RunEvent>> ReadEvents(const Context& context,
                                                                 std::string_view run_id,
                                                                 std::int64_t after,
                                                                 int limit) const;
  // Newest first, of one revision or of all ("").
  [[nodiscard]] absl::StatusOr<std::vector<VerificationResult>> VerificationResults(
      const Context& context, std::string_view revision, int limit) const;
  // Newest first, which is the order in which tables that refer to each other come back; `before`
  // continues a listing (0 = from the newest).
  [[nodiscard]] absl::StatusOr<std::vector<ArchivedData>> ListArchives(
      const Context& context, int limit, std::int64_t before = 0) const;
  // NOT_FOUND (ARCHIVE_NOT_FOUND).
  [[nodiscard]] absl::StatusOr<ArchivedData> GetArchive(const Context& context,
                                                        std::int64_t archive_id) const;
  // Exact row counts of tables that exist ("schema.table"); tables that do not exist are left out.
  [[nodiscard]] absl::StatusOr<std::map<std::string, std::int64_t>> CountRows(
      const Context& context, const std::vector<std::string>& tables) const;

  // --- changing ---
  // Creates roles, schemas and ledger through the administrator's connection (`admin_url`, else
  // `database_url`), and brings the ledger to this engine's version. Safe to repeat.
  // FAILED_PRECONDITION (SERVER_TOO_OLD) below 14.
  [[nodiscard]] absl::StatusOr<BootstrapReport> Bootstrap(const Context& context);
  // Applies what is missing of `target`. A cancelled context stops before the next step and cancels
  // the running one. Reasons: LEASE_HELD, LEASE_LOST, STEP_FAILED, STEP_BLOCKED, STEP_TAMPERED,
  // EXPECTATION_FAILED, VERIFICATION_FAILED (the steps stay applied), PRIVILEGED_STEP_PENDING,
  // COMMIT_OUTCOME_UNKNOWN, FROZEN, PLAN_CHANGED, INCOMPATIBLE_BUILD, GATE_CLOSED, LINT_REFUSED; of
  // everything that takes the lease RUNNER_ON_REPLICA and RUNNER_BEHIND_POOLER.
  [[nodiscard]] absl::StatusOr<RunReport> Upgrade(const Context& context, std::string_view target,
                                                  const RunOptions& run, EventSink& sink);
  // Undoes what `target` has not. Further reasons: GUARD_REFUSED, IRREVERSIBLE, ARCHIVE_FORBIDDEN,
  // ARCHIVE_IMPOSSIBLE, REQUIRED_BY_INSTANCE, INCOMPATIBLE_BUILD, ARCHIVED_SCRIPT_DAMAGED.
  [[nodiscard]] absl::StatusOr<RunReport> Downgrade(const Context& context, std::string_view target,
                                                    const RunOptions& run, EventSink& sink);
  // Records `target` as what is applied, without running anything.
  [[nodiscard]] absl::StatusOr<RunReport> Stamp(const Context& context, std::string_view target,
                                                const RunOptions& run, EventSink& sink);
  // Runs every verification of completely applied revisions that is not superseded. Violations are
  // in the report, not in the status; VERIFICATION_BLOCKED when there are none but a check could
  // not be decided.
  [[nodiscard]] absl::StatusOr<VerifyReport> Verify(const Context& context, EventSink& sink);
  // Replaces the archived down script of an applied step.
  [[nodiscard]] absl::Status Amend(const Context& context, const AmendOptions& amend);
  // Brings what an archive keeps back into the tables as they are now, in one transaction in the
  // owner's role; rows that are there are left alone, and the archive stays until it expires. Only
  // `run.run_id` counts. NOT_FOUND (ARCHIVE_NOT_FOUND); FAILED_PRECONDITION (ARCHIVE_RESTORED: it
  // was before; ARCHIVE_REVISION_NOT_APPLIED: upgrade first; RESTORE_FAILED: the database refused).
  [[nodiscard]] absl::StatusOr<ArchivedData> RestoreArchive(const Context& context,
                                                            std::int64_t archive_id,
                                                            const RunOptions& run, EventSink& sink);
  // What the linter says about the scripts that an upgrade to `target` would run, against the live
  // catalog; about scripts that are no revision's, one after the other. Change nothing.
  [[nodiscard]] absl::StatusOr<LintReport> LintUpgrade(const Context& context,
                                                       std::string_view target) const;
  [[nodiscard]] absl::StatusOr<LintReport> LintScripts(const Context& context,
                                                       const std::vector<Script>& scripts,
                                                       PlainFiles plain_files) const;
  // Takes the revisions that an upgrade to `target` would apply up, down and up again on a scratch
  // database, or only up, and records what came of it and what each step cost (scratch/rehearse.h).
  // The live database is only read.
  [[nodiscard]] absl::StatusOr<RehearsalReport> Rehearse(const Context& context,
                                                         std::string_view target, Trip trip,
                                                         const RehearsalProgress& progress);
  // Compares the live catalog with what the applied revisions should have made (scratch/drift.h).
  [[nodiscard]] absl::StatusOr<DriftReport> DetectDrift(const Context& context) const;
  // Looks for what is wrong with the database (doctor/doctor.h). `expected_head`: where the history
  // ended once; "" = not asked. INVALID_ARGUMENT (CHAIN_HEAD_INVALID).
  [[nodiscard]] absl::StatusOr<DiagnosisReport> Diagnose(const Context& context,
                                                         std::string_view expected_head) const;
  // Newest first; at most `limit`.
  [[nodiscard]] absl::StatusOr<std::vector<BackfillInfo>> ListBackfills(const Context& context,
                                                                        int limit) const;
  // Lets a run pause before its next step or batch, go on, or stop, whichever process it works in.
  // It follows about a second later. `wish`: pause, run, cancel. NOT_FOUND (RUN_NOT_FOUND);
  // FAILED_PRECONDITION (RUN_NOT_ACTIVE) once it is over.
  [[nodiscard]] absl::StatusOr<RunInfo> ControlRun(const Context& context, std::string_view run_id,
                                                   std::string_view wish);
  // At most so many rows a second in the backfills of the run; 0 = no limit. Errors as above.
  [[nodiscard]] absl::StatusOr<RunInfo> LimitRun(const Context& context, std::string_view run_id,
                                                 int rows_per_second);
  // Freeze windows; errors as in freeze_ledger.h.
  [[nodiscard]] absl::StatusOr<Freeze> CreateFreeze(const Context& context,
                                                    const FreezeOptions& freeze);
  [[nodiscard]] absl::StatusOr<std::vector<Freeze>> ListFreezes(const Context& context, int limit,
                                                                std::string_view before = "") const;
  [[nodiscard]] absl::StatusOr<Freeze> LiftFreeze(const Context& context, std::string_view id);
  // The CONTRACT revisions that are not applied, in order, and what keeps their gates closed.
  [[nodiscard]] absl::StatusOr<std::vector<GateInfo>> ListGates(const Context& context) const;
  // Builds that registered, by service and build.
  [[nodiscard]] absl::StatusOr<std::vector<BuildInfo>> ListBuilds(const Context& context) const;
  // Keeps a build as a way back (a reason), or releases it ("" ): while it is kept, plans are
  // checked against it as if it ran. NOT_FOUND (BUILD_UNKNOWN) unless an instance of it registered;
  // INVALID_ARGUMENT (REASON_REQUIRED, REASON_TOO_LONG).
  [[nodiscard]] absl::StatusOr<BuildInfo> KeepBuild(const Context& context,
                                                    std::string_view service,
                                                    std::string_view build,
                                                    std::string_view reason);
  [[nodiscard]] absl::StatusOr<BuildInfo> ReleaseBuild(const Context& context,
                                                       std::string_view service,
                                                       std::string_view build);
  // Drops archives past their expiry; returns how many.
  [[nodiscard]] absl::StatusOr<int> PurgeArchives(const Context& context);

  // --- offline: need no database ---
  [[nodiscard]] absl::StatusOr<std::string> UpgradeScript(std::string_view target,
                                                          const ScriptOptions& script) const;
  [[nodiscard]] absl::StatusOr<std::string> DowngradeScript(std::string_view target,
                                                            const ScriptOptions& script) const;

  // --- registry ---
  // Register: FAILED_PRECONDITION (BUILD_RETIRED) when an applied CONTRACT left the build not
  // working; INVALID_ARGUMENT (MANIFEST_INVALID).
  // Both return the instance with is_ready filled. Register again after a heartbeat says NOT_FOUND
  // (INSTANCE_UNKNOWN).
  [[nodiscard]] absl::StatusOr<Instance> Register(const Context& context,
                                                  const RegisterOptions& instance);
  [[nodiscard]] absl::StatusOr<Instance> Heartbeat(const Context& context,
                                                   std::string_view instance_id,
                                                   absl::Duration ttl);
  [[nodiscard]] absl::Status Deregister(const Context& context, std::string_view instance_id);
  // Expired ones are listed for a day, is_live = false.
  [[nodiscard]] absl::StatusOr<std::vector<Instance>> Instances(const Context& context) const;
  // Whether the revision (id, alias or prefix; "" = the service's head in the definitions) is
  // applied completely.
  [[nodiscard]] absl::StatusOr<bool> IsApplied(const Context& context, std::string_view service,
                                               std::string_view revision) const;
  // The same for several, in their order, with one look at the ledger. A wish that names nothing
  // has an error of its own: INVALID_ARGUMENT (SERVICE_UNKNOWN), NOT_FOUND (TARGET_UNKNOWN).
  [[nodiscard]] absl::StatusOr<std::vector<absl::StatusOr<bool>>> AreApplied(
      const Context& context, const std::vector<WantedRevision>& wanted) const;

 private:
  const EngineOptions options_;
  const Definitions definitions_;
  const Graph graph_;
};

}  // namespace lockstep::migration
