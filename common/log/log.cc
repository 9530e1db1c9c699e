#include "common/log/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <memory>
#include <utility>
#include "common/json/json.h"

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status/error.h"

namespace lockstep::log {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames{"debug", "info", "warn", "error", "off"};

// Process-wide on purpose: there is one stderr.
struct Output {
  std::atomic<Level> level{Level::kInfo};
  absl::Mutex mu;
  std::string service ABSL_GUARDED_BY(mu);
  // Takes finished lines; its sink has a lock of its own, so lines of threads do not mix.
  spdlog::logger logger;

  Output() : logger("lockstep", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger.set_level(spdlog::level::trace);
    logger.set_pattern("%v");
  }
};

Output& TheOutput() {
  // Never destroyed: threads may log until the very end.
  static Output& output = *new Output();
  return output;
}

std::string_view NameOf(Level level) { return kLevelNames[static_cast<std::size_t>(level)]; }

// Adds `text` as a JSON string. Bytes that are not UTF-8 become U+FFFD: a log line is always
// readable.
void AppendString(std::string_view text, std::string& out) {
  out += JsonText(nlohmann::json(text));
}

void AppendMember(std::string_view name, const Value& value, std::string& out) {
  out.push_back(out.empty() ? '{' : ',');
  AppendString(name, out);
  out.push_back(':');
  value.AppendJson(out);
}

}  // namespace

absl::StatusOr<Level> ParseLevel(std::string_view text) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == text) return static_cast<Level>(i);
  }
  return lockstep::Error(absl::StatusCode::kInvalidArgument, "LOG_LEVEL_UNKNOWN",
                         "must be debug, info, warn, error or off");
}

void Init(std::string_view service, Level level) {
  Output& output = TheOutput();
  output.level.store(level, std::memory_order_relaxed);
  absl::MutexLock lock(&output.mu);
  output.service = std::string(service);
}

bool IsEnabled(Level level) {
  return level >= TheOutput().level.load(std::memory_order_relaxed) && level != Level::kOff;
}

void Value::AppendJson(std::string& out) const {
  if (const auto* text = std::get_if<std::string>(&value_)) {
    AppendString(*text, out);
  } else if (const auto* is_true = std::get_if<bool>(&value_)) {
    out.append(*is_true ? "true" : "false");
  } else if (const auto* number = std::get_if<std::int64_t>(&value_)) {
    out.append(std::to_string(*number));
  } else {
    out.append(std::to_string(std::get<std::uint64_t>(value_)));
  }
}

void Write(Level level, std::string_view event, std::span<const Field> fields) {
  if (!IsEnabled(level)) return;
  Output& output = TheOutput();
  std::string line;
  AppendMember("time", absl::FormatTime("%E4Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone()),
               line);
  AppendMember("level", NameOf(level), line);
  {
    absl::MutexLock lock(&output.mu);
    AppendMember("service", output.service, line);
  }
  AppendMember("event", event, line);
  for (const Field& field : fields) AppendMember(field.name, field.value, line);
  line.push_back('}');
  // The logger's own levels are not used: spdlog only carries the line.
  output.logger.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

void Debug(std::string_view event, Fields fields) { Write(Level::kDebug, event, fields); }
void Info(std::string_view event, Fields fields) { Write(Level::kInfo, event, fields); }
void Warn(std::string_view event, Fields fields) { Write(Level::kWarn, event, fields); }
void Error(std::string_view event, Fields fields) { Write(Level::kError, event, fields); }

}  // namespace lockstep::log
