// The engine's values as messages of lockstep.migration.v1. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lockstep/migration/v1/migration_service.pb.h"
#include "lockstep/migration/v1/registry_service.pb.h"
#include "services/migration/engine/graph.h"
#include "services/migration/engine/plan.h"
#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

enum class WithSql { kNo, kYes };

// A revision of the definitions with what the ledger knows of it (nullptr: nothing). `steps` limits
// and orders its steps (indexes into Revision::steps); nullopt: all.
v1::Revision ToProto(const Graph& graph, std::size_t position, const LedgerRevision* ledger,
                     WithSql with_sql,
                     const std::optional<std::vector<std::size_t>>& steps = std::nullopt);
v1::PlanResponse ToProto(const Graph& graph, const PlanReport& report);
v1::PlannedRepeatable ToProto(const PlannedRepeatable& planned);
v1::GetStatusResponse ToProto(const EngineStatus& status);
v1::HistoryEntry ToProto(const HistoryEntry& entry);
v1::VerificationResult ToProto(const VerificationResult& result);
v1::Run ToProto(const RunInfo& run);
v1::RunEvent ToProto(const RunEvent& event);
v1::Instance ToProto(const Instance& instance);
v1::Archive ToProto(const ArchivedData& archived);
v1::Backfill ToProto(const BackfillInfo& backfill);
v1::Freeze ToProto(const Freeze& freeze);
v1::SchemaUse ToProto(const SchemaUse& use);
v1::Gate ToProto(const GateInfo& gate);
v1::StepForecast ToProto(const Forecast& forecast);
v1::Build ToProto(const BuildInfo& build);
BuildManifest FromProto(const v1::BuildManifest& message);
v1::ReviewedPlan ToProto(const ReviewedPlan& plan);
// INVALID_ARGUMENT (PLAN_INVALID), with fields below "reviewed_plan".
absl::StatusOr<ReviewedPlan> FromProto(const v1::ReviewedPlan& message);

// INVALID_ARGUMENT (BLOCKER_CLASS_INVALID) on "cancel_blockers" for a class that is not known.
absl::StatusOr<std::set<HolderKind>> FromProto(
    const google::protobuf::RepeatedField<int>& cancel_blockers);
// The class of a name such as "idle_in_transaction"; UNSPECIFIED for any other text.
v1::BlockerClass BlockerClassOf(std::string_view name);

// "transactional", "non-transactional", "privileged", "backfill", "view rewrite".
std::string ToText(StepKind kind);
// "EXPAND", "MIGRATE", "CONTRACT".
std::string ToText(Phase phase);
// All statements of a script as its file has them.
std::string SqlOf(const Script& script);
// True once a run in this state can no longer change.
bool IsOver(v1::RunState state);

}  // namespace lockstep::migration
