// One of our binaries as a child of the test: started with its own environment, its log in a file,
// killed when the object ends.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

extern char** environ;  // NOLINT: POSIX has no header for it

namespace lockstep::orders {

class ChildProcess {
 public:
  // `binary` is a name in the folder of binaries. `environment` is added to that of the test.
  ChildProcess(const std::string& binary, std::vector<std::string> flags,
               const std::map<std::string, std::string>& environment) {
    log_ = (std::filesystem::temp_directory_path() /
            (binary + "-" + std::to_string(getpid()) + "-" + std::to_string(++count_) + ".log"))
               .string();
    std::vector<std::string> args = std::move(flags);
    args.insert(args.begin(), lockstep::testing::BinaryDir() + "/" + binary);
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
      const std::string text = *variable;
      if (!environment.contains(text.substr(0, text.find('=')))) variables.push_back(text);
    }
    for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_.c_str(),
                                     O_CREAT | O_TRUNC | O_WRONLY, 0600);
    const int error = posix_spawn(&pid_, args[0].c_str(), &actions, nullptr, Pointers(args).data(),
                                  Pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(error, 0) << "cannot start " << args[0];
    if (error != 0) pid_ = -1;
  }
  ~ChildProcess() {
    Signal(SIGKILL);
    Wait();
    std::filesystem::remove(log_);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void Signal(int signal) const {
    if (pid_ > 0) kill(pid_, signal);
  }

  // What waitpid said; waits for the end of the process.
  int Wait() {
    if (pid_ > 0) {
      waitpid(pid_, &status_, 0);
      pid_ = -1;
    }
    return status_;
  }
  // Whether the process ended by SIGKILL within `timeout`.
  bool WasKilled(absl::Duration timeout) {
    const absl::Time deadline = absl::Now() + timeout;
    while (pid_ > 0 && absl::Now() < deadline) {
      if (waitpid(pid_, &status_, WNOHANG) == pid_) {
        pid_ = -1;
      } else {
        absl::SleepFor(absl::Milliseconds(1));
      }
    }
    return pid_ < 0 && WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL;
  }

  // The address that the process serves on, from its log; "" when it does not come up.
  std::string Address() const {
    static constexpr char kKey[] = "\"address\":\"";
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    for (; absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(5))) {
      const std::string log = Log();
      const std::size_t at = log.find(kKey);
      if (at == std::string::npos || log.find("\"event\":\"ready\"") == std::string::npos) continue;
      const std::size_t begin = at + sizeof(kKey) - 1;
      return log.substr(begin, log.find('"', begin) - begin);
    }
    ADD_FAILURE() << "not serving: " << Log();
    return "";
  }
  std::string Log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  static std::vector<char*> Pointers(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  static inline int count_ = 0;
  pid_t pid_ = -1;
  int status_ = 0;
  std::string log_;
};

}  // namespace lockstep::orders
