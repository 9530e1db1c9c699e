// Other programs, run as children of this one.
//
// A `Child` never outlives its owner: the destructor ends it, and so does the kernel (SIGTERM) when
// this process dies. It is started without a shell.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace lockstep::process {

struct ChildOptions {
  std::vector<std::string> command;  // path of the program, then its arguments
  // Set in addition to this process's environment: where secrets belong, since everybody can read
  // a command line.
  std::vector<std::pair<std::string, std::string>> environment = {};
  bool has_input = false;   // input() is its standard input; else there is none
  bool has_output = false;  // output() is its standard output; else that is thrown away
};

// Used by one thread, which must be the one that started it: the kernel takes the end of that
// thread for the end of the parent.
class Child {
 public:
  // UNAVAILABLE (PROGRAM_NOT_STARTED). A program that cannot be executed exits with 127.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Child>> Start(const ChildOptions& options);
  // Sends SIGTERM, after two seconds SIGKILL, and waits.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // File descriptors of pipes, closed by Close*() or the destructor; -1 where not asked for.
  int input() const { return input_; }
  int output() const { return output_; }
  void CloseInput();

  // Its exit code once it ended (128 + signal when one ended it); nullopt when it did not within
  // `timeout`.
  std::optional<int> Wait(absl::Duration timeout);
  // The end of what it wrote to standard error, at most 2,000 bytes. REQUIRES: it ended.
  std::string ErrorText() const;

 private:
  Child() = default;

  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::FILE* errors_ = nullptr;
  std::optional<int> exit_code_;
};

}  // namespace lockstep::process
