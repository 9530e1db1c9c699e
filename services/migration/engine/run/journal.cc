#include "services/migration/engine/run/journal.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/pg/connection.h"

namespace lockstep::migration {
namespace {

nlohmann::json ToJson(const RunEvent& event) {
  return {{"o", event.offset},
          {"at", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", event.at, absl::UTCTimeZone())},
          {"kind", event.kind},
          {"revision", event.revision},
          {"step", event.step},
          {"name", event.step_name},
          {"message", event.message},
          {"details", nlohmann::json::parse(event.details, nullptr, false)}};
}

}  // namespace

Journal::Journal(std::string run_id, std::int64_t last_offset, EventSink& sink)
    : run_id_(std::move(run_id)), sink_(sink), next_offset_(last_offset + 1) {}

RunEvent Journal::Number(Happening happening, std::int64_t offset) const {
  RunEvent event;
  event.run_id = run_id_;
  event.offset = offset;
  event.at = absl::Now();
  event.kind = std::move(happening.kind);
  event.revision = std::move(happening.revision);
  event.step = happening.step;
  event.step_name = std::move(happening.step_name);
  event.message = std::move(happening.message);
  event.details = happening.details.text();
  return event;
}

void Journal::EmitLocked(Happening happening) {
  pending_.push_back(Number(std::move(happening), next_offset_++));
  sink_.OnEvent(pending_.back());
}

void Journal::Emit(Happening happening) {
  const std::lock_guard lock(mutex_);
  if (is_in_air_) {
    queued_.push_back(std::move(happening));
  } else {
    EmitLocked(std::move(happening));
  }
}

std::string Journal::JsonOf(const std::vector<RunEvent>& pending,
                            const std::vector<Happening>& tail) const {
  nlohmann::json events = nlohmann::json::array();
  for (const RunEvent& event : pending) events.push_back(ToJson(event));
  std::int64_t offset = next_offset_;
  for (const Happening& happening : tail) {
    events.push_back(ToJson(Number(happening, offset++)));
    // The database knows better when the step really ended.
    events.back()["at"] = nullptr;
  }
  return JsonText(events);
}

std::string Journal::SqlOf(const std::vector<RunEvent>& pending,
                           const std::vector<Happening>& tail) const {
  if (pending.empty() && tail.empty()) return "";
  return "SELECT migration.record_events(" + pg::QuoteLiteral(run_id_) + "," +
         pg::QuoteLiteral(JsonOf(pending, tail)) + ");\n";
}

std::string Journal::RecordSql(std::vector<Happening> tail) {
  const std::lock_guard lock(mutex_);
  is_in_air_ = true;
  tail_ = std::move(tail);
  in_air_up_to_ = next_offset_ - 1;
  return SqlOf(pending_, tail_);
}

std::string Journal::RecordJson(std::vector<Happening> tail) {
  const std::lock_guard lock(mutex_);
  is_in_air_ = true;
  tail_ = std::move(tail);
  in_air_up_to_ = next_offset_ - 1;
  return JsonOf(pending_, tail_);
}

void Journal::Committed() {
  const std::lock_guard lock(mutex_);
  std::erase_if(pending_, [&](const RunEvent& event) { return event.offset <= in_air_up_to_; });
  for (Happening& happening : tail_) {
    sink_.OnEvent(Number(std::move(happening), next_offset_++));
  }
  tail_.clear();
  is_in_air_ = false;
  for (Happening& happening : std::exchange(queued_, {})) EmitLocked(std::move(happening));
}

void Journal::RolledBack() {
  const std::lock_guard lock(mutex_);
  tail_.clear();
  is_in_air_ = false;
  for (Happening& happening : std::exchange(queued_, {})) EmitLocked(std::move(happening));
}

void Journal::OutcomeUnknown() {
  const std::lock_guard lock(mutex_);
  next_offset_ += static_cast<std::int64_t>(tail_.size());
  tail_.clear();
  is_in_air_ = false;
  for (Happening& happening : std::exchange(queued_, {})) EmitLocked(std::move(happening));
}

std::int64_t Journal::tail_offset() {
  const std::lock_guard lock(mutex_);
  return is_in_air_ && !tail_.empty() ? next_offset_ : 0;
}

std::string Journal::PendingSql(std::int64_t& up_to) {
  const std::lock_guard lock(mutex_);
  up_to = next_offset_ - 1;
  return SqlOf(pending_, {});
}

void Journal::Stored(std::int64_t up_to) {
  const std::lock_guard lock(mutex_);
  std::erase_if(pending_, [&](const RunEvent& event) { return event.offset <= up_to; });
}

}  // namespace lockstep::migration
