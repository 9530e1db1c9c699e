// What every part of a run works with.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/context/context.h"
#include "common/pg/connection.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/run/attendant.h"
#include "services/migration/engine/run/engine_values.h"
#include "services/migration/engine/run/holder_kind.h"
#include "services/migration/engine/run/journal.h"
#include "services/migration/engine/run/measure/certificate.h"
#include "services/migration/engine/run/session.h"
#include "services/migration/engine/run/step_sql.h"

namespace lockstep::migration {

// What a lost connection leaves in doubt: a step, or a record of something else.
struct InFlight {
  std::string text;
  std::string otherwise = " was rolled back";  // what became of it unless it is done
};

// Names of relations: "schema.name".
using RelationNames = std::set<std::string, std::less<>>;

struct RunSession {
  const Context& context;
  const EngineOptions& options;
  const Graph& graph;
  const LeaseKey key;
  const RunSql sql;
  pg::Connection& connection;  // the runner's main connection
  Journal& journal;
  Attendant& attendant;
  // Checksum of the script with which an up step failed last, by (revision, ordinal).
  std::map<std::pair<std::string, int>, std::string> failed_checksums = {};
  std::optional<InFlight> in_flight = std::nullopt;
  // Why the run goes on in spite of freeze windows; "" = they hold it (freeze_ledger.h).
  std::string force_freeze = {};
  // Why it goes on in spite of gates and incompatible builds; "" = it waits (contract_gate.h).
  std::string force_gate = {};
  // Why a step may lock more than its certificate says; "" = it is rolled back.
  std::string force_locks = {};
  // Of the steps that are to run, as far as they have one.
  StepCertificates certificates = {};
  std::vector<StepMeasurement>* measured = nullptr;  // RunOptions::measured
  std::set<std::string> forced_freezes = {};         // ids of those that it has told
  absl::Time freezes_asked_at = absl::InfinitePast();
  // Who may be broken off when they hold what a step needs: RunOptions::cancel_blockers.
  std::set<HolderKind> cancel_blockers = {};
  // When a step closed tables last that were there before this run (standby_spacing.h).
  std::optional<absl::Time> closed_at = std::nullopt;
  absl::Time no_standby_at = absl::InfinitePast();      // when there was none
  absl::Time builds_checked_at = absl::InfinitePast();  // the last MayChangeBuilds()
  // The relations that were there before this run, as LoadWasThere() found them;
  // nullopt: not looked yet.
  std::optional<RelationNames> was_there = std::nullopt;
};

// Which relations there are now, without the server's own and the ledger's.
absl::StatusOr<RelationNames> LoadRelationNames(pg::Connection& connection);

// What a run makes itself after this nobody else uses yet, so no step has to look who holds it. To
// be called again when a step may have renamed something.
absl::Status LoadWasThere(RunSession& session);
// True for everything until LoadWasThere() was called.
bool WasThere(const RunSession& session, std::string_view relation);

// One step to run in one direction.
struct StepTask {
  const Revision& revision;
  const Step& step;
  Direction direction;
  const Script& script;  // what runs: the file when going up, the archived text when going down
  bool is_last = false;  // going up: its end completes the revision
  // Its undo was begun outside of a transaction and is not finished: the step is recorded as done,
  // but only the catalog knows what is left of it.
  bool is_half_undone = false;
  // It was begun outside of a transaction and is not done.
  bool was_begun = false;
  // What is asked at the start of the step's transaction, in the engine's own role.
  std::string ask_first = {};
  // A repeatable definition: what its preparation says is all that the ledger gets.
  bool is_repeatable = false;
  Happening Event(std::string kind, std::string message) const;
  // What the log says once the step is done: step_finished, and revision_finished after the last
  // step up.
  std::vector<Happening> FinishedEvents() const;
  // "orders 84bc4d8b03ef step 2 (copy_legacy) up"
  std::string text() const;
};

// What a run says about a step whose script the parser cannot read, after the name of its file.
inline constexpr char kOpaqueWarning[] =
    " is sent as one statement, unread: this program's SQL parser does not know its syntax";

// OK, CANCELLED/DEADLINE_EXCEEDED, or LEASE_LOST: asked before every message.
absl::Status MayGoOn(const RunSession& session);

// Writes what the journal holds to the ledger, in a transaction of its own that checks the lease.
absl::Status FlushEvents(RunSession& session);

// Commits `sql` and what the journal holds, with `tail`, in a transaction that checks the lease.
// `what` names it should the connection break; "" when a step in flight does.
absl::Status RecordInLedger(RunSession& session, const std::string& what, const std::string& sql,
                            std::vector<Happening> tail);

// For a transaction whose connection broke while it had a tail of the journal in the air: the
// ledger, read through `connection`, says whether it committed, and the journal goes on from there.
// False without a tail. REQUIRES: the backend of the broken connection is gone.
absl::StatusOr<bool> ResolveTail(Journal& journal, pg::Connection& connection);

// Records that a step failed, so that a mended file is recognised as such later. Flushes events.
absl::Status RecordFailure(RunSession& session, const StepTask& task, const absl::Status& failure);

// "" or the SQL that records the step as mended after a failure.
std::string MendedSql(const RunSession& session, const StepTask& task);

}  // namespace lockstep::migration
