#include "common/process/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "absl/time/clock.h"
#include "common/status/error.h"

namespace lockstep::process {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(10);
constexpr absl::Duration kGrace = absl::Seconds(2);
constexpr int kNotExecuted = 127;
constexpr long kLongestErrorText = 2'000;

absl::Status NotStarted(const std::string& program) {
  return Error(absl::StatusCode::kUnavailable, "PROGRAM_NOT_STARTED",
               "cannot start " + program + ": " + std::strerror(errno));
}

void CloseFd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// The environment of the child: this process's, with `more` in front of what it replaces.
std::vector<std::string> Merge(const std::vector<std::pair<std::string, std::string>>& more) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool is_replaced = std::ranges::any_of(
        more, [&](const auto& setting) { return text.starts_with(setting.first + "="); });
    if (!is_replaced) merged.emplace_back(text);
  }
  for (const auto& [name, value] : more) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Child>> Child::Start(const ChildOptions& options) {
  std::unique_ptr<Child> child(new Child);
  std::vector<std::string> command = options.command;
  std::vector<std::string> environment = Merge(options.environment);
  const std::vector<char*> argv = Pointers(command);
  const std::vector<char*> envp = Pointers(environment);
  std::array<int, 2> in = {-1, -1};
  std::array<int, 2> out = {-1, -1};
  child->errors_ = std::tmpfile();
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool is_ready = child->errors_ != nullptr && null >= 0;
  if (is_ready && options.has_input) is_ready = pipe2(in.data(), O_CLOEXEC) == 0;
  if (is_ready && options.has_output) is_ready = pipe2(out.data(), O_CLOEXEC) == 0;
  child->input_ = in[1];
  child->output_ = out[0];
  const int errors = is_ready ? fileno(child->errors_) : -1;
  const pid_t parent = getpid();
  if (is_ready) child->pid_ = fork();
  if (child->pid_ == 0) {
    // Other threads may hold any lock: only system calls from here on.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    // Ctrl-C at a terminal is for the parent, which then decides; what the parent blocks is its
    // own.
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (getppid() != parent) _exit(kNotExecuted);
    dup2(options.has_input ? in[0] : null, STDIN_FILENO);
    dup2(options.has_output ? out[1] : null, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    execve(argv[0], argv.data(), envp.data());
    _exit(kNotExecuted);
  }
  const absl::Status failure =
      child->pid_ < 0 ? NotStarted(options.command.front()) : absl::OkStatus();
  CloseFd(in[0]);
  CloseFd(out[1]);
  CloseFd(null);
  if (!failure.ok()) return failure;
  return child;
}

Child::~Child() {
  CloseFd(input_);
  CloseFd(output_);
  if (pid_ > 0 && !exit_code_.has_value()) {
    kill(pid_, SIGTERM);
    if (!Wait(kGrace).has_value()) {
      kill(pid_, SIGKILL);
      Wait(absl::InfiniteDuration());
    }
  }
  if (errors_ != nullptr) std::fclose(errors_);
}

void Child::CloseInput() { CloseFd(input_); }

std::optional<int> Child::Wait(absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  while (!exit_code_.has_value()) {
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (ended < 0 && errno != EINTR) {
      exit_code_ = kNotExecuted;
    } else if (absl::Now() >= end) {
      return std::nullopt;
    } else {
      absl::SleepFor(std::min(kPoll, timeout));
    }
  }
  return exit_code_;
}

std::string Child::ErrorText() const {
  if (std::fseek(errors_, 0, SEEK_END) != 0) return "";
  const long size = std::ftell(errors_);
  const long from = std::max(0L, size - kLongestErrorText);
  std::fseek(errors_, from, SEEK_SET);
  std::string text(static_cast<std::size_t>(size - from), '\0');
  text.resize(std::fread(text.data(), 1, text.size(), errors_));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace lockstep::process
