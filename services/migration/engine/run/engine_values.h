// What the engine takes and what it answers. Plain values.
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
#include "absl/time/time.h"
#include "services/migration/engine/build_manifest.h"
#include "services/migration/engine/compatibility.h"
#include "services/migration/engine/lint/lint.h"
#include "services/migration/engine/model.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/events.h"
#include "services/migration/engine/run/freeze.h"
#include "services/migration/engine/run/holder_kind.h"
#include "services/migration/engine/run/measure/certificate.h"
#include "services/migration/engine/run/measure/forecast.h"
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
  // How long a step may take while writers wait for it; see forecast.h.
  Budgets budgets = {};
  // After so long without progress of an index build, an event says so and who holds it up.
  absl::Duration build_stall_after = absl::Minutes(10);
  // Whether a view rewrite compares old and new definition on the rows that are there; false where
  // they are a sample.
  bool compares_views = true;
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
                     // (of a run), privileged, lock, lint, dependent
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
  LintReport lint;
  // Going up: of the steps that were measured on a scratch database as they stand.
  std::vector<Forecast> forecasts;
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
  // Upgrade: why steps may lock more than was certified on a scratch database; "" = they are rolled
  // back (LOCKS_WORSE_THAN_CERTIFIED).
  std::string force_locks = {};
  // Every step of an upgrade is measured, into this; not owned.
  std::vector<StepMeasurement>* measured = nullptr;
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

// A new run id.
std::string NewUuid();

}  // namespace lockstep::migration
