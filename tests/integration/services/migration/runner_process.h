// A runner in a process of its own, which stops or dies at a kill point.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "services/migration/engine/run/engine.h"

namespace lockstep::migration {

inline std::string ProgramPath() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "migration_engine_process";
}

// What a runner is to do, and where it stops or dies.
struct RunnerOrders {
  std::string verb = "upgrade";
  std::string target = "head";
  std::string killpoint = {};  // "" = nowhere
  std::string signal = {};
  std::string record = {};     // a file that gets the name of every kill point on the way
  std::string admin_url = {};  // "" = privileged SQL is printed
  bool archive = false;
};

// A child that runs the engine.
class RunnerProcess {
 public:
  RunnerProcess(const std::string& url, const std::string& folder, const RunnerOrders& orders)
      : output_(folder + "/../" + std::filesystem::path(folder).filename().string() + "-" +
                NewUuid()) {
    pid_ = fork();
    if (pid_ == 0) {
      const auto set = [](const char* name, const std::string& value) {
        if (!value.empty()) setenv(name, value.c_str(), 1);
      };
      set("LOCKSTEP_KILLPOINT", orders.killpoint);
      set("LOCKSTEP_KILLPOINT_SIGNAL", orders.signal);
      set("LOCKSTEP_KILLPOINT_RECORD", orders.record);
      const int file = open(output_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
      dup2(file, STDOUT_FILENO);
      execl(ProgramPath().c_str(), "migration_engine_process", url.c_str(), folder.c_str(),
            orders.verb.c_str(), orders.target.c_str(), orders.admin_url.c_str(),
            orders.archive ? "archive" : "", nullptr);
      _exit(127);
    }
  }
  ~RunnerProcess() {
    if (pid_ > 0 && !has_ended_) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove(output_);
  }
  RunnerProcess(const RunnerProcess&) = delete;
  RunnerProcess& operator=(const RunnerProcess&) = delete;

  // Until it stops itself; false when it ended instead.
  bool WaitUntilStopped() {
    int status = 0;
    waitpid(pid_, &status, WUNTRACED);
    has_ended_ = !WIFSTOPPED(status);
    return WIFSTOPPED(status);
  }
  void Continue() const { kill(pid_, SIGCONT); }
  // Exit code, or -signal.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    has_ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string Output() const {
    std::ifstream in(output_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  const std::string output_;
  pid_t pid_ = -1;
  bool has_ended_ = false;
};

}  // namespace lockstep::migration
