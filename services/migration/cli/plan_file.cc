#include "services/migration/cli/plan_file.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/time/time.h"

namespace lockstep::cli {
namespace {

using migration::Direction;
using migration::ReviewedPlan;
using migration::ReviewedStep;

constexpr char kFormat[] = "lockstep-plan";
constexpr int kVersion = 1;

absl::Status Invalid(const std::string& why) {
  return InvalidField("--plan", "PLAN_FILE_INVALID",
                      why + "; write a new one with: lockstep plan TARGET -o FILE");
}

// Order of the keys: as a person reads it.
nlohmann::ordered_json StepJson(const ReviewedStep& step) {
  return {{"service", step.service},
          {"revision", step.revision},
          {"step", step.ordinal},
          {"step_name", step.name},
          {"direction", migration::ToText(step.direction)},
          {"kind", step.kind},
          {"checksum", step.checksum},
          {"revision_checksum", step.revision_checksum},
          {"undo_sha256", step.undo_sha256}};
}

// Throws nlohmann::json::exception for anything that is missing or of another type.
std::optional<Direction> DirectionIn(const nlohmann::json& object) {
  const auto text = object.at("direction").get<std::string>();
  if (text == "up") return Direction::kUp;
  if (text == "down") return Direction::kDown;
  return std::nullopt;
}

// The same; nullopt for a direction that is none.
std::optional<ReviewedPlan> PlanIn(const nlohmann::json& object) {
  ReviewedPlan plan;
  plan.target = object.at("target").get<std::string>();
  const auto direction = DirectionIn(object);
  if (!direction.has_value()) return std::nullopt;
  plan.direction = *direction;
  plan.from_heads = object.at("from_heads").get<std::vector<std::string>>();
  plan.to_heads = object.at("to_heads").get<std::vector<std::string>>();
  for (const nlohmann::json& entry : object.at("steps")) {
    ReviewedStep& step = plan.steps.emplace_back();
    step.service = entry.at("service").get<std::string>();
    step.revision = entry.at("revision").get<std::string>();
    step.revision_checksum = entry.at("revision_checksum").get<std::string>();
    step.ordinal = entry.at("step").get<int>();
    step.name = entry.at("step_name").get<std::string>();
    step.kind = entry.at("kind").get<std::string>();
    step.checksum = entry.at("checksum").get<std::string>();
    const auto step_direction = DirectionIn(entry);
    if (!step_direction.has_value()) return std::nullopt;
    step.direction = *step_direction;
    step.undo_sha256 = entry.at("undo_sha256").get<std::string>();
  }
  return plan;
}

}  // namespace

std::string RenderPlanFile(const PlanFile& file) {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (const ReviewedStep& step : file.plan.steps) steps.push_back(StepJson(step));
  nlohmann::ordered_json document;
  document["format"] = kFormat;
  document["version"] = kVersion;
  document["fingerprint"] = migration::FingerprintOf(file.plan);
  document["made_at"] = time::FormatRfc3339(file.made_at);
  document["made_by"] = file.made_by;
  nlohmann::ordered_json& plan = document["plan"];
  plan["target"] = file.plan.target;
  plan["direction"] = migration::ToText(file.plan.direction);
  plan["from_heads"] = file.plan.from_heads;
  plan["to_heads"] = file.plan.to_heads;
  plan["steps"] = std::move(steps);
  return JsonText(document, 2) + "\n";
}

absl::StatusOr<PlanFile> ParsePlanFile(std::string_view text) {
  const auto document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return Invalid("the file is not JSON");
  try {
    if (document.value("format", "") != kFormat) return Invalid("the file is not a plan");
    if (document.at("version").get<int>() != kVersion) {
      return Invalid("the file is of format version " + document.at("version").dump() +
                     ", this program knows version " + std::to_string(kVersion));
    }
    const std::optional<ReviewedPlan> plan = PlanIn(document.at("plan"));
    if (!plan.has_value()) return Invalid("a direction is neither up nor down");
    // Also what the program does not know must be in the fingerprint, or it could be edited in.
    const bool is_whole = JsonText(document.at("plan")) == migration::CanonicalText(*plan);
    if (!is_whole ||
        document.at("fingerprint").get<std::string>() != migration::FingerprintOf(*plan)) {
      return Invalid("the plan in the file is not the one that its fingerprint was made of");
    }
    const auto made_at = time::ParseRfc3339(document.at("made_at").get<std::string>());
    if (!made_at.ok()) return Invalid("made_at is not a time");
    return PlanFile{
        .plan = *plan, .made_at = *made_at, .made_by = document.at("made_by").get<std::string>()};
  } catch (const nlohmann::json::exception& error) {
    return Invalid(std::string("the file is damaged: ") + error.what());
  }
}

absl::Status WritePlanFile(const std::string& path, const PlanFile& file) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << RenderPlanFile(file);
  out.close();
  if (out) return absl::OkStatus();
  return InvalidField("-o", "FILE_NOT_WRITABLE", "cannot write " + path);
}

absl::StatusOr<PlanFile> ReadPlanFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return InvalidField("--plan", "FILE_NOT_READABLE", "cannot read " + path);
  return ParsePlanFile(std::string(std::istreambuf_iterator<char>(in), {}));
}

}  // namespace lockstep::cli
