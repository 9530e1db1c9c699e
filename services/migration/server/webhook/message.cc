#include "services/migration/server/webhook/message.h"

#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "common/json/json.h"

namespace lockstep::migration::webhook {
namespace {

constexpr char kLeftOut[] = "(statement left out)";

// Blocked steps tell who holds their locks, and what those sessions run.
void LeaveOutStatements(nlohmann::json& details, std::string& message) {
  if (!details.is_object()) return;
  const auto holders = details.find("holders");
  if (holders == details.end() || !holders->is_array()) return;
  for (auto& holder : *holders) {
    if (!holder.is_object()) continue;
    // Of a prepared transaction it is the name, which a person needs to end it.
    if (holder.value("kind", "") == "prepared_transaction") continue;
    const std::string query = holder.value("query", "");
    holder.erase("query");
    if (!query.empty()) message = absl::StrReplaceAll(message, {{query, kLeftOut}});
  }
}

}  // namespace

std::string EventId(const RunEvent& event) {
  return event.run_id + "/" + std::to_string(event.offset);
}

std::string BodyOf(const RunEvent& event, const RunFacts& run, bool with_statements) {
  nlohmann::json details = nlohmann::json::parse(event.details, nullptr, false);
  if (details.is_discarded()) details = nlohmann::json::object();
  std::string message = event.message;
  if (!with_statements) LeaveOutStatements(details, message);
  if (event.details.size() > kMostDetailBytes) {
    details = {{"left_out_bytes", event.details.size()}};
  }
  const nlohmann::json body = {
      {"version", 1},
      {"id", EventId(event)},
      {"kind", event.kind},
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", event.at, absl::UTCTimeZone())},
      {"run",
       {{"id", event.run_id}, {"kind", run.kind}, {"target", run.target}, {"actor", run.actor}}},
      {"revision", event.revision},
      {"step", event.step},
      {"step_name", event.step_name},
      {"message", message},
      {"details", details}};
  return JsonText(body);
}

}  // namespace lockstep::migration::webhook
