#include "common/killpoint/killpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

#include "absl/base/call_once.h"

namespace lockstep::killpoint {
namespace {

constexpr int kExitConfig = 78;

// Written once, before `state` becomes kOn; `hits` counts on.
struct Plan {
  std::string name;  // empty: nothing is killed
  std::int64_t at_hit = 1;
  int signal = SIGKILL;
  int record_fd = -1;
  std::atomic<std::int64_t> hits{0};
};

Plan plan;
absl::once_flag once;

[[noreturn]] void Refuse(const char* variable, std::string_view what) {
  std::string line = "killpoint: ";
  line.append(variable).append(": ").append(what).append("\n");
  // Nothing can be done when stderr is gone as well.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  _exit(kExitConfig);
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

void ReadTarget() {
  constexpr char kVariable[] = "LOCKSTEP_KILLPOINT";
  const std::string text = Variable(kVariable);
  const std::size_t colon = text.find(':');
  plan.name = text.substr(0, colon);
  if (colon == std::string::npos) return;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, plan.at_hit);
  if (plan.name.empty() || error != std::errc() || stop != end || plan.at_hit < 1) {
    Refuse(kVariable, "must be name or name:n with n from 1");
  }
}

void ReadSignal() {
  constexpr char kVariable[] = "LOCKSTEP_KILLPOINT_SIGNAL";
  const std::string text = Variable(kVariable);
  if (text.empty() || text == "KILL") return;
  if (text == "STOP") {
    plan.signal = SIGSTOP;
  } else if (text == "TERM") {
    plan.signal = SIGTERM;
  } else {
    Refuse(kVariable, "must be KILL, STOP or TERM");
  }
}

void OpenRecord() {
  constexpr char kVariable[] = "LOCKSTEP_KILLPOINT_RECORD";
  const std::string path = Variable(kVariable);
  if (path.empty()) return;
  plan.record_fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (plan.record_fd < 0) Refuse(kVariable, std::strerror(errno));
}

void Read() {
  ReadTarget();
  ReadSignal();
  OpenRecord();
  const bool is_on = !plan.name.empty() || plan.record_fd >= 0;
  internal::state.store(is_on ? internal::State::kOn : internal::State::kOff,
                        std::memory_order_relaxed);
}

void Record(std::string_view name) {
  // One write of a short line to a file opened with O_APPEND: lines of threads and processes do not
  // mix.
  const std::string line = std::string(name) + "\n";
  if (write(plan.record_fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    Refuse("LOCKSTEP_KILLPOINT_RECORD", std::strerror(errno));
  }
}

void Send() {
  if (plan.signal == SIGTERM) {
    // To the process: its signal thread waits for it, all others block it.
    kill(getpid(), SIGTERM);
    return;
  }
  // To this thread, so that it does not run on until another thread has taken the signal. Both end
  // or stop the whole process all the same.
  raise(plan.signal);
}

}  // namespace

namespace internal {

std::atomic<State> state{State::kUnread};

void Hit(std::string_view name) {
  Init();
  if (state.load(std::memory_order_relaxed) == State::kOff) return;
  if (plan.record_fd >= 0) Record(name);
  if (name != plan.name) return;
  if (plan.hits.fetch_add(1, std::memory_order_relaxed) + 1 == plan.at_hit) Send();
}

}  // namespace internal

void Init() { absl::call_once(once, Read); }

}  // namespace lockstep::killpoint
