#include "services/migration/api/convert.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/status/error.h"
#include "common/time/proto.h"
#include "services/migration/api/lint.h"
#include "services/migration/engine/checksum.h"

namespace lockstep::migration {
namespace {

constexpr std::array kBlockerClasses = {
    std::pair{v1::BLOCKER_CLASS_ORDINARY, HolderKind::kOrdinary},
    std::pair{v1::BLOCKER_CLASS_IDLE_IN_TRANSACTION, HolderKind::kIdleInTransaction},
    std::pair{v1::BLOCKER_CLASS_DUMP, HolderKind::kDump},
    std::pair{v1::BLOCKER_CLASS_WRAPAROUND_VACUUM, HolderKind::kWraparoundVacuum},
};

v1::RevisionState ToProto(RevisionState state) {
  switch (state) {
    case RevisionState::kPending:
      return v1::REVISION_STATE_PENDING;
    case RevisionState::kPartial:
      return v1::REVISION_STATE_PARTIAL;
    case RevisionState::kApplied:
      return v1::REVISION_STATE_APPLIED;
    case RevisionState::kUnknown:
      return v1::REVISION_STATE_UNKNOWN;
  }
  return v1::REVISION_STATE_UNSPECIFIED;
}

v1::RunState ToProto(RunState state) {
  switch (state) {
    case RunState::kWaiting:
      return v1::RUN_STATE_WAITING;
    case RunState::kRunning:
      return v1::RUN_STATE_RUNNING;
    case RunState::kSucceeded:
      return v1::RUN_STATE_SUCCEEDED;
    case RunState::kFailed:
      return v1::RUN_STATE_FAILED;
    case RunState::kBlocked:
      return v1::RUN_STATE_BLOCKED;
    case RunState::kCancelled:
      return v1::RUN_STATE_CANCELLED;
    case RunState::kInterrupted:
      return v1::RUN_STATE_INTERRUPTED;
  }
  return v1::RUN_STATE_UNSPECIFIED;
}

template <typename Texts, typename Repeated>
void AddAll(const Texts& texts, Repeated* repeated) {
  for (const std::string& text : texts) repeated->Add()->assign(text);
}

v1::Step ToProto(const Step& step, bool is_applied, WithSql with_sql) {
  v1::Step message;
  message.set_ordinal(step.ordinal);
  message.set_step_name(step.name);
  message.set_description(step.description);
  message.set_kind(ToText(step.kind));
  message.set_checksum(step.checksum);
  message.set_lock_timeout_ms(step.limits.lock_timeout_ms);
  message.set_statement_timeout_ms(step.limits.statement_timeout_ms);
  message.set_is_applied(is_applied);
  if (with_sql == WithSql::kYes) {
    message.set_up_sql(SqlOf(step.up));
    message.set_down_sql(SqlOf(step.down));
  }
  return message;
}

}  // namespace

std::string ToText(StepKind kind) { return std::string(KindText(kind)); }

std::string ToText(Phase phase) {
  switch (phase) {
    case Phase::kLegacy:
      return "LEGACY";
    case Phase::kExpand:
      return "EXPAND";
    case Phase::kMigrate:
      return "MIGRATE";
    case Phase::kContract:
      return "CONTRACT";
  }
  return "";
}

std::string SqlOf(const Script& script) { return script.text; }

bool IsOver(v1::RunState state) {
  return state != v1::RUN_STATE_UNSPECIFIED && state != v1::RUN_STATE_WAITING &&
         state != v1::RUN_STATE_RUNNING;
}

v1::Revision ToProto(const Graph& graph, std::size_t position, const LedgerRevision* ledger,
                     WithSql with_sql, const std::optional<std::vector<std::size_t>>& steps) {
  const Revision& revision = graph.at(position);
  v1::Revision message;
  message.set_name("revisions/" + revision.id);
  message.set_id(revision.id);
  AddAll(revision.aliases, message.mutable_aliases());
  message.set_title(revision.title);
  message.set_service(revision.service);
  AddAll(revision.down_revision, message.mutable_down_revision());
  AddAll(revision.depends_on, message.mutable_depends_on());
  message.set_created(revision.created);
  message.set_phase(ToText(revision.phase));
  if (const auto release = graph.ReleaseOf(position)) {
    message.set_release(graph.definitions().releases[*release].name);
  }
  message.set_state(ToProto(ledger == nullptr ? RevisionState::kPending : ledger->state));
  if (ledger != nullptr) {
    if (ledger->applied_at.has_value()) {
      *message.mutable_applied_at() = time::ToProto(*ledger->applied_at);
    }
    message.set_applied_by(ledger->applied_by);
  }
  message.set_irreversible_reason(revision.irreversible_reason);
  const int steps_done = ledger == nullptr ? 0 : ledger->steps_done;
  const auto add_step = [&](const Step& step) {
    *message.add_steps() = ToProto(step, step.ordinal <= steps_done, with_sql);
  };
  if (steps.has_value()) {
    for (const std::size_t index : *steps) add_step(revision.steps[index]);
  } else {
    for (const Step& step : revision.steps) add_step(step);
  }
  AddAll(revision.index.key_changes, message.mutable_key_changes());
  message.set_impact(revision.index.impact);
  AddAll(revision.index.rollback_hazards, message.mutable_rollback_hazards());
  message.set_checksum(revision.checksum);
  if (with_sql == WithSql::kYes) {
    message.set_verify_sql(SqlOf(revision.verify));
    message.set_guard_sql(SqlOf(revision.guard));
  }
  return message;
}

v1::PlanResponse ToProto(const Graph& graph, const PlanReport& report) {
  v1::PlanResponse message;
  message.set_target(report.plan.target.name);
  message.set_direction(report.plan.direction == Direction::kUp ? v1::DIRECTION_UP
                                                                : v1::DIRECTION_DOWN);
  AddAll(report.plan.from_heads, message.mutable_from_heads());
  AddAll(report.plan.to_heads, message.mutable_to_heads());
  for (const PlanItem& item : report.plan.items) {
    v1::PlannedRevision* planned = message.add_revisions();
    const std::string& id = graph.at(item.position).id;
    const auto applied = report.applied.find(id);
    *planned->mutable_revision() =
        ToProto(graph, item.position, applied == report.applied.end() ? nullptr : &applied->second,
                WithSql::kYes, item.steps);
    for (v1::Step& step : *planned->mutable_revision()->mutable_steps()) {
      // What an amendment replaced the file does not have.
      const auto undo = report.undos.find({id, step.ordinal()});
      if (undo != report.undos.end()) step.set_down_sql(SqlOf(undo->second));
    }
    planned->set_resumes(item.resumes);
  }
  for (const Blocker& blocker : report.blockers) {
    v1::Blocker* entry = message.add_blockers();
    entry->set_kind(blocker.kind);
    entry->set_revision(blocker.revision);
    entry->set_what(blocker.what);
    entry->set_count(blocker.count);
  }
  ReviewedPlan reviewed = Review(graph, report.plan, report.undos);
  AddRepeatables(report.repeatables, reviewed);
  *message.mutable_reviewed_plan() = ToProto(reviewed);
  for (const PlannedRepeatable& repeatable : report.repeatables) {
    *message.add_repeatables() = ToProto(repeatable);
  }
  for (const LintFinding& finding : report.lint.findings) {
    *message.add_lint_findings() = ToProto(finding);
  }
  for (const Forecast& forecast : report.forecasts) {
    *message.add_forecasts() = ToProto(forecast);
  }
  for (const PlanNote& note : report.notes) {
    v1::PlanNote* entry = message.add_notes();
    entry->set_kind(note.kind);
    entry->set_revision(note.revision);
    entry->set_step(note.step);
    entry->set_step_name(note.step_name);
    entry->set_what(note.what);
    entry->set_table(note.table);
    entry->set_row_count(note.rows);
  }
  return message;
}

v1::GetStatusResponse ToProto(const EngineStatus& status) {
  v1::GetStatusResponse message;
  message.set_release(status.current.release);
  AddAll(status.current.heads, message.mutable_heads());
  AddAll(status.target_heads, message.mutable_target_heads());
  AddAll(status.pending, message.mutable_pending());
  AddAll(status.partial, message.mutable_partial());
  AddAll(status.unknown, message.mutable_unknown());
  message.set_history_problem(status.history_problem);
  v1::Lease* lease = message.mutable_lease();
  lease->set_is_held(status.lease.is_held);
  lease->set_token(status.lease.token);
  if (status.lease.is_held) {
    lease->set_holder(status.lease.holder);
    lease->set_actor(status.lease.actor);
    lease->set_host(status.lease.host);
    lease->set_run_id(status.lease.run_id);
    if (status.lease.expires_at.has_value()) {
      *lease->mutable_expire_time() = time::ToProto(*status.lease.expires_at);
    }
  }
  if (status.last_run.has_value()) *message.mutable_last_run() = ToProto(*status.last_run);
  for (const Freeze& freeze : status.open_freezes) {
    *message.add_open_freezes() = ToProto(freeze);
  }
  message.set_ledger_version(status.ledger_version);
  message.set_server_version(status.server_version);
  message.set_runner_problem_reason(ReasonOf(status.runner_problem));
  if (!status.runner_problem.ok()) message.set_runner_problem(MessageOf(status.runner_problem));
  message.set_runner_is_superuser(status.runner_is_superuser);
  message.set_waits_for(status.waits_for);
  AddAll(status.pending_repeatables, message.mutable_pending_repeatables());
  return message;
}

v1::HistoryEntry ToProto(const HistoryEntry& entry) {
  v1::HistoryEntry message;
  message.set_run_id(entry.run_id);
  message.set_run_kind(entry.run_kind);
  message.set_revision(entry.revision);
  message.set_service(entry.service);
  message.set_step(entry.step);
  message.set_step_name(entry.step_name);
  message.set_direction(entry.direction == Direction::kUp ? "up" : "down");
  message.set_checksum(entry.checksum);
  message.set_actor(entry.actor);
  *message.mutable_finish_time() = time::ToProto(entry.finished_at);
  message.set_duration_ms(entry.duration_ms);
  return message;
}

v1::VerificationResult ToProto(const VerificationResult& result) {
  v1::VerificationResult message;
  message.set_revision(result.revision);
  message.set_check_id(result.check_id);
  message.set_expected(result.expected);
  message.set_actual(result.actual);
  message.set_passed(result.passed);
  *message.mutable_run_time() = time::ToProto(result.ran_at);
  return message;
}

v1::Run ToProto(const RunInfo& run) {
  v1::Run message;
  message.set_name("runs/" + run.id);
  message.set_kind(run.kind);
  message.set_target(run.target);
  message.set_state(ToProto(run.state));
  message.set_actor(run.actor);
  message.set_host(run.host);
  *message.mutable_start_time() = time::ToProto(run.started_at);
  if (run.finished_at.has_value()) {
    *message.mutable_finish_time() = time::ToProto(*run.finished_at);
  }
  message.set_error_reason(run.error_reason);
  message.set_error_message(run.error_message);
  message.set_last_offset(run.last_offset);
  message.set_steps_done(run.steps_done);
  message.set_steps_total(run.steps_total);
  return message;
}

v1::RunEvent ToProto(const RunEvent& event) {
  v1::RunEvent message;
  message.set_offset(event.offset);
  *message.mutable_time() = time::ToProto(event.at);
  message.set_kind(event.kind);
  message.set_revision(event.revision);
  message.set_step(event.step);
  message.set_step_name(event.step_name);
  message.set_message(event.message);
  message.set_details(event.details);
  return message;
}

v1::Instance ToProto(const Instance& instance) {
  v1::Instance message;
  message.set_id(instance.id);
  message.set_service(instance.service);
  message.set_build(instance.build);
  message.set_required_revision(instance.required_revision);
  message.set_built_for(instance.built_for);
  message.set_address(instance.address);
  *message.mutable_register_time() = time::ToProto(instance.registered_at);
  *message.mutable_heartbeat_time() = time::ToProto(instance.heartbeat_at);
  *message.mutable_expire_time() = time::ToProto(instance.expires_at);
  message.set_is_live(instance.is_live);
  message.set_is_ready(instance.is_ready);
  for (const SchemaUse& use : instance.uses) *message.add_uses() = ToProto(use);
  return message;
}

v1::Archive ToProto(const ArchivedData& archived) {
  v1::Archive message;
  message.set_name("archives/" + std::to_string(archived.id));
  message.set_run_id(archived.run_id);
  message.set_revision(archived.revision);
  message.set_kind(archived.kind);
  message.set_source(archived.source);
  message.set_kept_as(archived.kept_as);
  message.set_row_count(archived.row_count);
  *message.mutable_create_time() = time::ToProto(archived.created_at);
  *message.mutable_expire_time() = time::ToProto(archived.expires_at);
  if (archived.restored_at.has_value()) {
    *message.mutable_restore_time() = time::ToProto(*archived.restored_at);
  }
  message.set_restored_row_count(archived.restored_rows);
  message.set_restore_sql(archived.restore_sql);
  return message;
}

v1::Backfill ToProto(const BackfillInfo& backfill) {
  v1::Backfill message;
  message.set_revision("revisions/" + backfill.revision);
  message.set_service(backfill.service);
  message.set_step(backfill.step);
  message.set_step_name(backfill.step_name);
  message.set_table(backfill.table);
  message.set_state(backfill.state);
  message.set_reason(backfill.reason);
  message.set_rows_estimated(backfill.rows_estimated);
  message.set_rows_done(backfill.rows_done);
  message.set_rows_changed(backfill.rows_changed);
  message.set_batches(backfill.batches);
  message.set_batch_rows(backfill.batch_rows);
  message.set_rows_per_second(backfill.rows_per_second);
  if (backfill.seconds_left.has_value() && !backfill.finished_at.has_value()) {
    message.mutable_remaining()->set_seconds(*backfill.seconds_left);
  }
  for (const auto& [reason, held] : backfill.held_ms) (*message.mutable_held_ms())[reason] = held;
  message.set_run("runs/" + backfill.run_id);
  *message.mutable_start_time() = time::ToProto(backfill.started_at);
  *message.mutable_update_time() = time::ToProto(backfill.updated_at);
  if (backfill.finished_at.has_value()) {
    *message.mutable_finish_time() = time::ToProto(*backfill.finished_at);
  }
  return message;
}

v1::Freeze ToProto(const Freeze& freeze) {
  v1::Freeze message;
  message.set_name("freezes/" + freeze.id);
  message.set_reason(freeze.reason);
  message.set_actor(freeze.actor);
  message.set_host(freeze.host);
  *message.mutable_create_time() = time::ToProto(freeze.created_at);
  *message.mutable_end_time() = time::ToProto(freeze.ends_at);
  if (freeze.lifted_at.has_value()) {
    *message.mutable_lift_time() = time::ToProto(*freeze.lifted_at);
  }
  message.set_lifted_by(freeze.lifted_by);
  message.set_is_open(freeze.is_open);
  return message;
}

v1::BlockerClass BlockerClassOf(std::string_view name) {
  for (const auto& [known, kind] : kBlockerClasses) {
    if (ToText(kind) == name) return known;
  }
  return v1::BLOCKER_CLASS_UNSPECIFIED;
}

absl::StatusOr<std::set<HolderKind>> FromProto(
    const google::protobuf::RepeatedField<int>& cancel_blockers) {
  std::set<HolderKind> kinds;
  for (const int number : cancel_blockers) {
    const auto* known =
        std::find_if(kBlockerClasses.begin(), kBlockerClasses.end(),
                     [&](const auto& entry) { return static_cast<int>(entry.first) == number; });
    if (known == kBlockerClasses.end()) {
      return InvalidField("cancel_blockers", "BLOCKER_CLASS_INVALID",
                          "a class other than UNSPECIFIED that this service knows");
    }
    kinds.insert(known->second);
  }
  return kinds;
}

}  // namespace lockstep::migration
