#include "common/killpoint/killpoint.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>

#include "gtest/gtest.h"

namespace lockstep::killpoint {
namespace {

// The environment is read once a process, so every case runs in a child. This process never hits a
// point.
pid_t Start(const std::map<std::string, std::string>& variables,
            const std::function<void()>& body) {
  const pid_t child = fork();
  if (child != 0) return child;
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  body();
  _exit(0);
}

// The wait status of a child that ran `body`.
int RunChild(const std::map<std::string, std::string>& variables,
             const std::function<void()>& body) {
  int status = 0;
  waitpid(Start(variables, body), &status, 0);
  return status;
}

bool WasKilled(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }
bool Exited(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

std::string RecordPath() {
  return ::testing::TempDir() + "killpoint_record_" + std::to_string(getpid());
}

std::string TakeRecord() {
  std::ifstream file(RecordPath());
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  file.close();
  unlink(RecordPath().c_str());
  return text;
}

TEST(Killpoint, IsOffByDefault) {
  EXPECT_TRUE(Exited(RunChild({},
                              [] {
                                Killpoint("a");
                                Killpoint("a");
                                if (internal::state.load() != internal::State::kOff) _exit(1);
                              }),
                     0));
}

TEST(Killpoint, KillsAtTheNamedPoint) {
  EXPECT_TRUE(WasKilled(RunChild({{"LOCKSTEP_KILLPOINT", "b"}}, [] { Killpoint("b"); })));
  EXPECT_TRUE(Exited(RunChild({{"LOCKSTEP_KILLPOINT", "b"}}, [] { Killpoint("a"); }), 0));
}

TEST(Killpoint, CountsTheHitsOfTheNamedPoint) {
  const std::map<std::string, std::string> third = {{"LOCKSTEP_KILLPOINT", "b:3"}};
  const auto hit = [](int times) {
    return [times] {
      for (int i = 0; i < times; ++i) {
        Killpoint("a");
        Killpoint("b");
      }
    };
  };
  EXPECT_TRUE(Exited(RunChild(third, hit(2)), 0));
  EXPECT_TRUE(WasKilled(RunChild(third, hit(3))));
}

TEST(Killpoint, RecordsEveryHitBeforeTheSignal) {
  const auto body = [] {
    Killpoint("a");
    Killpoint("b");
    Killpoint("a");
  };
  RunChild({{"LOCKSTEP_KILLPOINT_RECORD", RecordPath()}}, body);
  RunChild({{"LOCKSTEP_KILLPOINT_RECORD", RecordPath()}, {"LOCKSTEP_KILLPOINT", "b"}}, body);
  EXPECT_EQ(TakeRecord(), "a\nb\na\na\nb\n");
}

TEST(Killpoint, StopsAndGoesOn) {
  const pid_t child =
      Start({{"LOCKSTEP_KILLPOINT", "a"}, {"LOCKSTEP_KILLPOINT_SIGNAL", "STOP"}}, [] {
        Killpoint("a");
        _exit(7);
      });
  int status = 0;
  waitpid(child, &status, WUNTRACED);
  ASSERT_TRUE(WIFSTOPPED(status));

  kill(child, SIGCONT);
  waitpid(child, &status, 0);

  EXPECT_TRUE(Exited(status, 7));
}

TEST(Killpoint, SendsTermToTheProcess) {
  EXPECT_TRUE(Exited(RunChild({{"LOCKSTEP_KILLPOINT", "a"}, {"LOCKSTEP_KILLPOINT_SIGNAL", "TERM"}},
                              [] {
                                sigset_t set;
                                sigemptyset(&set);
                                sigaddset(&set, SIGTERM);
                                sigprocmask(SIG_BLOCK, &set, nullptr);
                                Killpoint("a");
                                int signal = 0;
                                sigwait(&set, &signal);
                                _exit(signal == SIGTERM ? 5 : 6);
                              }),
                     5));
}

TEST(Killpoint, RefusesWhatItDoesNotUnderstand) {
  using Variables = std::map<std::string, std::string>;
  for (const Variables& variables :
       {Variables{{"LOCKSTEP_KILLPOINT", "a:0"}}, Variables{{"LOCKSTEP_KILLPOINT", "a:x"}},
        Variables{{"LOCKSTEP_KILLPOINT", "a:"}}, Variables{{"LOCKSTEP_KILLPOINT", ":1"}},
        Variables{{"LOCKSTEP_KILLPOINT_SIGNAL", "kill"}},
        Variables{{"LOCKSTEP_KILLPOINT_RECORD", "/nowhere/at/all"}}}) {
    EXPECT_TRUE(Exited(RunChild(variables, [] { Init(); }), 78)) << variables.begin()->second;
  }
}

}  // namespace
}  // namespace lockstep::killpoint
