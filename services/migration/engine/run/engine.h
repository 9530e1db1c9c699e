// The migration engine on a database: what the server and `lockstep --direct` are made of.
//
// `Engine` joins a migrations folder (Definitions) with a database's ledger. Reading calls open one
// connection, ask, and close it. Calls that change something take the lease first, so that exactly
// one runner works at a time; they run on the caller's thread and report through an EventSink. A
// run that is killed anywhere can be repeated: the ledger is right at every moment.
//
// Thread-safe: every call uses connections of its own.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "services/migration/engine/build_manifest.h"
#include "services/migration/engine/compatibility.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/events.h"
#include "services/migration/engine/run/failure.h"
#include "services/migration/engine/run/freeze.h"
#include "services/migration/engine/run/gate.h"
#include "services/migration/engine/run/holder_kind.h"
#include "services/migration/engine/run/plan_note.h"
#include "services/migration/engine/run/repeatable_plan.h"
#include "services/migration/engine/run/reviewed_plan.h"

namespace lockstep::migration {

class SessionAhead;

struct EngineOptions {
  // As lockstep_migrator, straight to PostgreSQL, never through a transaction pooler.
  std::string database_url = {};
  // For privileged steps and bootstrap; "" = privileged SQL is printed and waited for.
  std::string admin_url = {};
  // Who is recorded in the ledger; "" = the operating system user @ host.
  std::string actor = {};
  absl::Duration connect_timeout = absl::Seconds(5);
  // A runner that does not renew its lease for this long has lost it. At least one second.
  absl::Duration lease_ttl = absl::Seconds(15);
  // How long a run waits for another one to end before it gives up (LEASE_HELD, exit class
  // blocked).
  absl::Duration lease_wait = absl::Minutes(10);
  // How long a run waits for an administrator to run printed SQL (PRIVILEGED_STEP_PENDING).
  absl::Duration privileged_wait = absl::Minutes(10);
  // How long a run waits at the gate of a CONTRACT before it gives up (GATE_CLOSED, exit class
  // blocked); the next run goes on waiting, and with its soak.
  absl::Duration gate_wait = absl::Minutes(10);
  // The least soak of every CONTRACT that takes something away; a revision may declare more.
  absl::Duration soak = absl::ZeroDuration();
  // How long `--archive` keeps what an undo would have destroyed.
  absl::Duration archive_retention = absl::Hours(24 * 90);
  // Verify queries end after this.
  absl::Duration verify_timeout = absl::Minutes(5);
  // Verify queries wait for locks, in pieces of at most 5 s, this long together. What has not got
  // its locks by then is undecided (VERIFICATION_BLOCKED).
  absl::Duration verify_lock_wait = absl::Seconds(30);
  // How far apart steps are that take ACCESS EXCLUSIVE, while a standby streams; 0 = not at all.
  absl::Duration standby_spacing = absl::Seconds(5);
  // After so long without progress of an index build, an event says so and who holds it up.
  absl::Duration build_stall_after = absl::Minutes(10);
  // The first connection of the engine, if the caller began to open it; not owned (session.h).
  SessionAhead* session_ahead = nullptr;
};

enum class RevisionState { kPending, kPartial, kApplied, kUnknown };
enum class RunState {
  kWaiting,
  kRunning,
  kSucceeded,
  kFailed,
  kBlocked,  // refused or stopped by a lock, a guard, an instance
  kCancelled,
  kInterrupted,  // its process went away; found by the next runner
};
std::string_view ToText(RevisionState state);
std::string_view ToText(RunState state);

// A revision as the ledger knows it.
struct LedgerRevision {
  std::string id;
  std::string service;
  std::string title;  // "" for one that the definitions do not have and that is only partly applied
  RevisionState state = RevisionState::kPending;
  std::string checksum;
  std::optional<absl::Time> applied_at;
  std::string applied_by;
  std::string run_id;
  int steps_done = 0;
  int steps_total = 0;  // 0 = unknown
};

struct LeaseInfo {
  bool is_held = false;
  std::int64_t token = 0;
  std::string holder;
  std::string actor;
  std::string host;
  std::string run_id;
  std::optional<absl::Time> acquired_at;
  std::optional<absl::Time> expires_at;
};

struct RunInfo {
  std::string id;
  std::string kind;    // upgrade, downgrade, stamp, verify, amend, restore, purge, backup
  std::string target;  // as it was given
  RunState state = RunState::kWaiting;
  std::string actor;
  std::string host;
  absl::Time started_at;
  std::optional<absl::Time> finished_at;
  std::string error_reason;  // "" unless it did not succeed
  std::string error_message;
  std::int64_t last_offset = 0;  // of its newest event
  int steps_done = 0;
  int steps_total = 0;
};

struct CurrentState {
  std::vector<std::string> heads;  // "service@revision" of what is applied completely, sorted
  std::vector<LedgerRevision>
      revisions;        // applied and partial ones, in order of the definitions; unknown ones last
  std::string release;  // the newest release that is applied completely; "" = none
};

struct EngineStatus {
  CurrentState current;
  std::vector<std::string> target_heads;  // of the definitions
  std::vector<std::string> pending;  // revision ids in the order in which an upgrade would run them
  std::vector<std::string> partial;  // half-applied revision ids
  std::vector<std::string> unknown;  // in the ledger, not in the definitions
  std::string history_problem;       // "" or what CheckHistory says
  LeaseInfo lease;
  std::optional<RunInfo> last_run;
  std::vector<Freeze> open_freezes;  // the one that ends last first
  int ledger_version = 0;
  int server_version = 0;  // 150018
  // Why no run may start over this connection, or OK: RUNNER_ON_REPLICA, RUNNER_BEHIND_POOLER.
  absl::Status runner_problem;
  bool runner_is_superuser = false;  // works, but with more rights than it needs
  // Keys of the repeatable definitions that an upgrade to head would apply or drop.
  std::vector<std::string> pending_repeatables;
  // What the run that is at work waits for, from its newest step_blocked event; "" = nothing.
  std::string waits_for;
};

// One line of the ledger's log of steps: also of those that were undone since.
struct HistoryEntry {
  std::int64_t id = 0;
  std::string run_id;
  std::string run_kind;
  std::string revision;
  std::string service;
  int step = 0;
  std::string step_name;
  Direction direction = Direction::kUp;
  std::string checksum;
  std::string actor;
  absl::Time finished_at;
  std::int64_t duration_ms = 0;
};

// A query of verify.sql or expect.sql and what came of it.
struct VerificationResult {
  std::string revision;
  std::string check_id;  // "verify.sql:12" or the id that the expectation names
  std::string expected;
  std::string actual;
  bool passed = false;
  absl::Time ran_at;
};

// What stands against a plan.
struct Blocker {
  std::string kind;  // guard, gate, instance, irreversible, archive_forbidden, archive_impossible
                     // (of a run), privileged, lock, dependent
  std::string revision;  // "" when it is about the whole plan
  std::string what;
  std::int64_t count = 0;
};

struct PlanReport {
  Plan plan;
  std::vector<Blocker> blockers;
  std::vector<PlanNote> notes;
  // What the ledger has of the revisions of the plan, by id.
  std::map<std::string, LedgerRevision> applied;
  // Going down: the archived scripts that would run, by revision id and ordinal of the step.
  UndoScripts undos;
  // Repeatable definitions that would be applied and dropped after the revisions, or going down set
  // aside before them, in order.
  std::vector<PlannedRepeatable> repeatables;
};

struct RunOptions {
  std::string run_id =
      {};  // a UUID; "" = a new one. ALREADY_EXISTS (RUN_EXISTS) when the ledger has it
  bool archive = false;  // downgrade: keep what would be destroyed
  bool allow_irreversible = false;
  bool verify = true;              // check verifications of what was touched, at the end
  bool record_when_empty = false;  // also a run with nothing to do gets its line in the ledger
  std::string force_freeze = {};   // why it goes on in spite of freeze windows; "" = they hold it
  // Upgrade: why CONTRACT revisions run in spite of closed gates and without a soak, and others in
  // spite of builds that they break; "" = they wait, or the run is refused.
  std::string force_gate = {};
  // Instead of EngineOptions::gate_wait.
  std::optional<absl::Duration> gate_wait = {};
  std::optional<ReviewedPlan> reviewed = {};  // nothing but this runs (PLAN_CHANGED)
  // Whoever is of one of these kinds and holds what a step needs for longer than its lock timeout
  // is broken off, once each; an event says so, or that the migrator may not. Others are waited
  // for. Only kinds that CancellableKind() knows have an effect.
  std::set<HolderKind> cancel_blockers = {};
};

struct ArchivedData {
  std::int64_t id = 0;
  std::string run_id;
  std::string revision;
  std::string kind;     // table, columns, rows
  std::string source;   // "schema.table"
  std::string kept_as;  // "migration_archive_7.orders"
  std::int64_t row_count = 0;
  std::string restore_sql;  // what brings it back once an upgrade has made the table again
  absl::Time created_at;
  absl::Time expires_at;
  std::optional<absl::Time> restored_at;  // nullopt = not yet
  std::int64_t restored_rows = 0;         // that were not there any more
};

// A backfill that is under way or was, as the ledger has it.
struct BackfillInfo {
  std::string revision;
  std::string service;
  int step = 0;
  std::string step_name;
  std::string table;   // "schema.table"
  std::string state;   // running, paused, held, verifying, finished, interrupted
  std::string reason;  // why it does not move; "" when it does
  std::int64_t rows_estimated = 0;
  std::int64_t rows_done = 0;  // walked: those that needed no change count as well
  std::int64_t rows_changed = 0;
  std::int64_t batches = 0;
  int batch_rows = 0;  // size of the next batch
  std::int64_t rows_per_second = 0;
  std::optional<std::int64_t> seconds_left;     // nullopt = nobody can tell yet
  std::map<std::string, std::int64_t> held_ms;  // by the signal that held it back, in its last run
  std::string run_id;                           // the run that worked on it last
  absl::Time started_at;
  absl::Time updated_at;
  std::optional<absl::Time> finished_at;
};

struct RunReport {
  std::string run_id;  // "" when there was nothing to do and nothing was recorded
  bool nothing_to_do = false;
  int steps_run = 0;
  std::vector<std::string> revisions;  // that were completed or removed, in order
  std::vector<VerificationResult> verifications;
  std::vector<ArchivedData> archives;
  std::vector<std::string> heads;  // afterwards, "service@revision"
};

struct VerifyReport {
  std::string run_id;
  std::vector<VerificationResult> results;
  int failed = 0;
};

struct BootstrapReport {
  std::vector<std::string> done;  // one line each; empty = all was there
  int ledger_version = 0;
};

struct AmendOptions {
  std::string revision = {};   // id, alias or prefix
  std::string file_name = {};  // for messages; "02_copy.down.sql" also tells the step
  std::string down_sql = {};
  std::string reason = {};  // required
  int step = 0;             // ordinal; 0 = from file_name, or the only step
};

// A running process of a service, as the registry knows it.
struct Instance {
  std::string id;  // chosen by the instance, at most 100 characters
  std::string service;
  std::string build;              // MAJOR.MINOR.PATCH
  std::string required_revision;  // it cannot work without
  std::string built_for;          // newest revision that it knows
  std::string address;
  absl::Time registered_at;
  absl::Time heartbeat_at;
  absl::Time expires_at;
  bool is_live = false;              // its lease lives, and was given in this database cluster
  bool is_ready = false;             // every revision that it requires is applied completely
  std::vector<SchemaUse> uses = {};  // what its build declares, by service
};

struct RegisterOptions {
  std::string id = {};
  std::string service = {};
  std::string build = {};
  std::string required_revision = {};
  std::string built_for = {};
  std::string address = {};
  absl::Duration ttl = absl::Seconds(15);
  // Of its build; service and build are those above. Revisions may be ids or aliases. What it
  // leaves out about the service's own schemas is taken from above.
  BuildManifest manifest = {};
};

// A revision that somebody waits for.
struct WantedRevision {
  std::string service = {};   // "" = any, when `revision` is given
  std::string revision = {};  // id, alias or prefix; "" = the service's head in the definitions
  auto operator<=>(const WantedRevision&) const = default;
};

struct ScriptOptions {
  std::string from = {};  // revision, release or target from which the script starts; "" = base for
                          // upgrade, head for downgrade
  bool allow_irreversible = false;
};

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
  // COMMIT_OUTCOME_UNKNOWN, FROZEN, PLAN_CHANGED, INCOMPATIBLE_BUILD, GATE_CLOSED; of everything
  // that takes the lease RUNNER_ON_REPLICA and RUNNER_BEHIND_POOLER.
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

// A new run id.
std::string NewUuid();

}  // namespace lockstep::migration
