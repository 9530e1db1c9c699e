#include "services/migration/server/webhook/settings.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "common/status/error.h"

namespace lockstep::migration::webhook {
namespace {

constexpr std::size_t kShortestKey = 16;

absl::Status Invalid(const std::string& what) {
  return Error(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID", what);
}

// A part of a URL; "" when it has none.
std::string Part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return "";
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
  return text;
}

bool IsPattern(const std::string& text) {
  const std::size_t end = text.ends_with('*') ? text.size() - 1 : text.size();
  return !text.empty() && std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end),
                                      [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

}  // namespace

void Bind(WebhookOptions& options, config::Settings& settings) {
  settings.Add("webhook_url", &options.url,
               "http:// or https:// address that events of runs are posted to; empty: none.");
  settings.AddSecret("webhook_signing_key", &options.signing_key,
                     "Key of the events' signatures, at least 16 bytes.");
  settings.Add("webhook_events", &options.events,
               "Kinds of events to post; \"gate_*\" is all that begin with gate_, \"*\" is all.");
  settings.Add("webhook_timeout", &options.timeout, "Longest time of one attempt to post.")
      .Range(absl::Milliseconds(100), absl::Minutes(1));
  settings
      .Add("webhook_max_attempts", &options.max_attempts,
           "An event that the receiver did not take so often is given up.")
      .Range(1, 1000);
  settings.Add("webhook_statements", &options.statements,
               "Also post the SQL of sessions that hold locks; it may quote data.");
}

absl::Status Check(const WebhookOptions& options) {
  if (options.url.empty()) return absl::OkStatus();
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  const bool is_url = curl_url_set(url.get(), CURLUPART_URL, options.url.c_str(), 0) == CURLUE_OK;
  const std::string scheme = is_url ? Part(url.get(), CURLUPART_SCHEME) : "";
  if ((scheme != "http" && scheme != "https") || Part(url.get(), CURLUPART_HOST).empty()) {
    return Invalid("webhook_url: must be http://host... or https://host...");
  }
  if (!Part(url.get(), CURLUPART_USER).empty() || !Part(url.get(), CURLUPART_PASSWORD).empty()) {
    return Invalid(
        "webhook_url: must not hold a user or password; receivers know us by the"
        " signature");
  }
  if (options.signing_key.size() < kShortestKey) {
    return Invalid(
        "webhook_signing_key: a webhook_url needs a key of at least 16 bytes; put one"
        " into a file and pass --webhook-signing-key-file");
  }
  for (const std::string& pattern : options.events) {
    if (!IsPattern(pattern)) {
      return Invalid("webhook_events: '" + pattern +
                     "' is not the kind of an event: use names such as run_finished, step_* or *");
    }
  }
  return absl::OkStatus();
}

}  // namespace lockstep::migration::webhook
