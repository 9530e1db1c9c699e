// Reviewed plans as messages, and what Upgrade and Downgrade ask the engine for.
#include <string>
#include <utility>

#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {
namespace {

absl::StatusOr<Direction> DirectionFrom(const std::string& text, std::string_view field) {
  if (text == "up") return Direction::kUp;
  if (text == "down") return Direction::kDown;
  return InvalidField(field, "PLAN_INVALID", R"("up" or "down")");
}

// The plan that a request brings along, for a run in `direction`.
absl::Status TakePlan(const v1::ReviewedPlan& message, Direction direction, AskedRun& asked) {
  ASSIGN_OR_RETURN(ReviewedPlan plan, FromProto(message));
  if (plan.direction != direction) {
    return InvalidField(
        "reviewed_plan.direction", "PLAN_INVALID",
        "the plan goes " + ToText(plan.direction) + ", the request " + ToText(direction));
  }
  if (asked.target.empty()) asked.target = plan.target;
  if (asked.target != plan.target) {
    return InvalidField("target", "TARGET_DIFFERS",
                        "the reviewed plan leads to " + plan.target + "; leave the target out");
  }
  asked.options.reviewed = std::move(plan);
  return absl::OkStatus();
}

}  // namespace

v1::ReviewedPlan ToProto(const ReviewedPlan& plan) {
  v1::ReviewedPlan message;
  message.set_target(plan.target);
  message.set_direction(ToText(plan.direction));
  for (const std::string& head : plan.from_heads) message.add_from_heads(head);
  for (const std::string& head : plan.to_heads) message.add_to_heads(head);
  for (const ReviewedStep& step : plan.steps) {
    v1::ReviewedStep* entry = message.add_steps();
    entry->set_service(step.service);
    entry->set_revision(step.revision);
    entry->set_revision_checksum(step.revision_checksum);
    entry->set_step(step.ordinal);
    entry->set_step_name(step.name);
    entry->set_kind(step.kind);
    entry->set_checksum(step.checksum);
    entry->set_direction(ToText(step.direction));
    entry->set_undo_sha256(step.undo_sha256);
  }
  return message;
}

absl::StatusOr<ReviewedPlan> FromProto(const v1::ReviewedPlan& message) {
  ReviewedPlan plan;
  plan.target = message.target();
  ASSIGN_OR_RETURN(plan.direction, DirectionFrom(message.direction(), "reviewed_plan.direction"));
  plan.from_heads.assign(message.from_heads().begin(), message.from_heads().end());
  plan.to_heads.assign(message.to_heads().begin(), message.to_heads().end());
  for (int i = 0; i < message.steps_size(); ++i) {
    const v1::ReviewedStep& entry = message.steps(i);
    ReviewedStep& step = plan.steps.emplace_back();
    step.service = entry.service();
    step.revision = entry.revision();
    step.revision_checksum = entry.revision_checksum();
    step.ordinal = entry.step();
    step.name = entry.step_name();
    step.kind = entry.kind();
    step.checksum = entry.checksum();
    ASSIGN_OR_RETURN(step.direction,
                     DirectionFrom(entry.direction(),
                                   "reviewed_plan.steps[" + std::to_string(i) + "].direction"));
    step.undo_sha256 = entry.undo_sha256();
  }
  return plan;
}

absl::StatusOr<AskedRun> AskedOf(const v1::UpgradeRequest& request) {
  AskedRun asked;
  ASSIGN_OR_RETURN(asked.options.run_id, RunIdOfRequest(request.request_id()));
  asked.target = request.target();
  asked.options.force_freeze = request.force_freeze_reason();
  asked.options.force_gate = request.force_gate_reason();
  asked.options.force_locks = request.force_locks_reason();
  if (request.has_gate_wait()) {
    const absl::Duration wait = absl::Seconds(request.gate_wait().seconds()) +
                                absl::Nanoseconds(request.gate_wait().nanos());
    if (wait < absl::ZeroDuration() || wait > absl::Hours(24 * 366)) {
      return InvalidField("gate_wait", "OUT_OF_RANGE", "between 0 and 366 days");
    }
    asked.options.gate_wait = wait;
  }
  ASSIGN_OR_RETURN(asked.options.cancel_blockers, FromProto(request.cancel_blockers()));
  if (request.has_reviewed_plan()) {
    RETURN_IF_ERROR(TakePlan(request.reviewed_plan(), Direction::kUp, asked));
  }
  if (asked.target.empty()) asked.target = "head";
  return asked;
}

absl::StatusOr<AskedRun> AskedOf(const v1::DowngradeRequest& request) {
  AskedRun asked;
  ASSIGN_OR_RETURN(asked.options.run_id, RunIdOfRequest(request.request_id()));
  asked.target = request.target();
  asked.options.archive = request.archive();
  asked.options.allow_irreversible = request.allow_irreversible();
  asked.options.force_freeze = request.force_freeze_reason();
  ASSIGN_OR_RETURN(asked.options.cancel_blockers, FromProto(request.cancel_blockers()));
  if (request.has_reviewed_plan()) {
    RETURN_IF_ERROR(TakePlan(request.reviewed_plan(), Direction::kDown, asked));
  }
  return asked;
}

}  // namespace lockstep::migration
