#include "services/migration/server/webhook/sender.h"

#include <curl/curl.h>

#include <array>
#include <mutex>
#include <new>

#include "absl/time/clock.h"
#include "common/rpc/address.h"
#include "services/migration/server/webhook/signature.h"

namespace lockstep::migration::webhook {
namespace {

constexpr std::size_t kMostAnswerBytes = 64 << 10;

using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

void Append(Headers& headers, const std::string& line) {
  curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  headers.release();
  headers.reset(longer);
}

// A proxy of the environment has no way to this machine's own addresses.
bool IsLoopback(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  char* host = nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) {
    return false;
  }
  const std::unique_ptr<char, decltype(&curl_free)> owner(host, &curl_free);
  const auto address = rpc::ParseListenAddress(std::string(host) + ":1");
  return address.ok() && address->IsLoopback();
}

// Counts the bytes of an answer and wants no more than it may have.
std::size_t TakeBody(char*, std::size_t size, std::size_t count, void* total) {
  auto& bytes = *static_cast<std::size_t*>(total);
  bytes += size * count;
  return bytes > kMostAnswerBytes ? 0 : size * count;
}

int Progress(void* is_stopped, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(is_stopped)->load() ? 1 : 0;
}

}  // namespace

struct Sender::Handle {
  CURL* curl = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};
  std::size_t answer_bytes = 0;
};

Sender::Sender(const WebhookOptions& options)
    : signing_key_(options.signing_key), handle_(std::make_unique<Handle>()) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_->curl = curl_easy_init();
  CURL* curl = handle_->curl;
  if (curl == nullptr) throw std::bad_alloc();
  curl_easy_setopt(curl, CURLOPT_URL, options.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options.timeout)));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "lockstep-migration");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, handle_->error.data());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &handle_->answer_bytes);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &is_stopped_);
  if (IsLoopback(options.url)) curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

Sender::~Sender() { curl_easy_cleanup(handle_->curl); }

Answer Sender::Post(const std::string& event_id, const std::string& body) {
  Headers headers(nullptr, &curl_slist_free_all);
  Append(headers, "Content-Type: application/json");
  Append(headers, "Lockstep-Event-Id: " + event_id);
  Append(headers, std::string(kSignatureHeader) + ": " +
                      SignatureOf(signing_key_, absl::ToUnixSeconds(absl::Now()), body));
  Append(headers, "Expect:");  // no round trip of asking before the body
  CURL* curl = handle_->curl;
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  handle_->error[0] = '\0';
  handle_->answer_bytes = 0;
  const CURLcode code = curl_easy_perform(curl);
  Answer answer;
  // An answer that was longer than anybody reads is one; one that broke off is none.
  const bool is_long = code == CURLE_WRITE_ERROR && handle_->answer_bytes > kMostAnswerBytes;
  if (code == CURLE_OK || is_long) {
    long status = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
    answer.http_status = static_cast<int>(status);
    answer.retry_after = absl::Seconds(retry_after);
  } else {
    answer.is_broken_off = code == CURLE_ABORTED_BY_CALLBACK && is_stopped_;
    answer.error = handle_->error[0] == '\0' ? curl_easy_strerror(code) : handle_->error.data();
  }
  // They point into this function.
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, nullptr);
  return answer;
}

}  // namespace lockstep::migration::webhook
