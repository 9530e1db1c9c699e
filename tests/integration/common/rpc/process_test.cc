// A whole process: start, refusal to start, and the way it goes down on a signal. The child is this
// program again, started with --serve.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "gtest/gtest.h"
#include "tests/integration/common/rpc/echo_server.h"

extern char** environ;

namespace lockstep::rpc {
namespace {

using ::testing::HasSubstr;

// usage: --serve LISTEN [--insecure | --slow]. Writes the port to stdout once it serves. Echo waits
// as many milliseconds as its text says.
int ServeAsChild(int argc, char** argv) {
  ShutdownSignals signals;
  ServerOptions options;
  options.listen = argv[2];
  const std::string_view flag = argc > 3 ? argv[3] : "";
  options.insecure = flag == "--insecure";
  options.drain_delay = flag == "--slow" ? absl::Seconds(3) : absl::Milliseconds(500);
  options.grace = flag == "--slow" ? absl::Seconds(10) : absl::Seconds(2);
  options.probe_interval = absl::Milliseconds(10);
  Runner runner(SmallRunner());
  EchoService service(runner);
  service.echo = [](const Call& call, const pb::EchoRequest& request) {
    if (std::stoi(request.text()) > 0) {
      std::printf("running\n");
      std::fflush(stdout);
    }
    absl::Notification cancelled;
    const auto registration = call.context().OnCancel([&] { cancelled.Notify(); });
    cancelled.WaitForNotificationWithTimeout(absl::Milliseconds(std::stoi(request.text())));
    pb::EchoResponse response;
    response.set_text(request.text());
    return response;
  };
  ServeHooks hooks;
  hooks.started = [](Server& server) {
    std::printf("%d\n", server.port());
    std::fflush(stdout);
  };
  hooks.after_stop = [] {
    std::printf("stopped\n");
    std::fflush(stdout);
  };
  return Serve(
      options, {&service}, runner, [] { return absl::OkStatus(); }, signals, hooks);
}

// A child process with its stdout and stderr on pipes; killed when the test forgets it.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    int out[2], err[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(err, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    arguments.insert(arguments.begin(), {"/proc/self/exe", "--serve"});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    out_ = fdopen(out[0], "r");
    // Read all the time: a child that cannot write its log would hang.
    err_reader_ = std::thread([this, fd = err[0]] {
      char buffer[4096];
      for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
        err_text_.append(buffer, static_cast<std::size_t>(n));
      }
      close(fd);
    });
  }
  ~Child() {
    if (!has_ended_) {
      kill(pid_, SIGKILL);
      (void)WaitForExit();
    }
    std::fclose(out_);
  }

  std::string ReadLine() {
    char line[256] = "";
    if (std::fgets(line, sizeof(line), out_) == nullptr) return "";
    line[std::strcspn(line, "\n")] = '\0';
    return line;
  }
  void Signal(int signal) { kill(pid_, signal); }
  // The exit code, or 128 + the signal that ended it.
  int WaitForExit() {
    int status = 0;
    waitpid(pid_, &status, 0);
    has_ended_ = true;
    err_reader_.join();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string& err_text() const { return err_text_; }

 private:
  pid_t pid_ = 0;
  bool has_ended_ = false;
  std::FILE* out_ = nullptr;
  std::thread err_reader_;
  std::string err_text_;
};

struct Client {
  explicit Client(const std::string& port)
      : channel(MakeChannel("127.0.0.1:" + port, {.retries = false})),
        stub(pb::EchoService::NewStub(channel)),
        health(grpc::health::v1::Health::NewStub(channel)) {}

  absl::Status Echo(int milliseconds) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    pb::EchoRequest request;
    request.set_text(std::to_string(milliseconds));
    pb::EchoResponse response;
    return FromGrpc(stub->Echo(&context, request, &response));
  }

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<pb::EchoService::Stub> stub;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

class Signalled : public ::testing::TestWithParam<int> {};

TEST_P(Signalled, TurnsNotReadyServesOnFinishesOpenCallsAndExitsWithZero) {
  using grpc::health::v1::HealthCheckResponse;
  Child child({"127.0.0.1:0", "--slow"});
  Client client(child.ReadLine());
  ASSERT_OK(client.Echo(0));
  grpc::ClientContext watch_context;
  const auto watch = client.health->Watch(&watch_context, {});
  HealthCheckResponse health;
  do {
    ASSERT_TRUE(watch->Read(&health));
  } while (health.status() != HealthCheckResponse::SERVING);
  absl::Status open_call;
  std::thread caller([&] { open_call = client.Echo(4'000); });  // Beyond the drain delay.
  ASSERT_EQ(child.ReadLine(), "running");

  child.Signal(GetParam());
  ASSERT_TRUE(watch->Read(&health));

  EXPECT_EQ(health.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_OK(client.Echo(0));  // Within the drain delay, balancers may still send calls.
  caller.join();
  EXPECT_OK(open_call);
  EXPECT_EQ(child.ReadLine(), "stopped");
  EXPECT_EQ(child.WaitForExit(), 0);
  EXPECT_FALSE(client.Echo(0).ok());
}

INSTANTIATE_TEST_SUITE_P(Signals, Signalled, ::testing::Values(SIGTERM, SIGINT),
                         [](const auto& test) { return test.param == SIGTERM ? "Term" : "Int"; });

TEST(Process, CancelsWhatOutlivesTheGrace) {
  Child child({"127.0.0.1:0"});
  Client client(child.ReadLine());
  ASSERT_OK(client.Echo(0));
  std::thread caller([&] {
    grpc::ClientContext context;
    pb::EchoRequest request;
    request.set_text("600000");
    pb::EchoResponse response;
    EXPECT_FALSE(client.stub->Echo(&context, request, &response).ok());
  });
  ASSERT_EQ(child.ReadLine(), "running");

  child.Signal(SIGTERM);

  EXPECT_EQ(child.WaitForExit(), 0);
  caller.join();
}

TEST(Process, RefusesThePortOfAnotherInstance) {
  Child first({"127.0.0.1:0"});
  const std::string address = "127.0.0.1:" + first.ReadLine();

  Child second({address});

  EXPECT_EQ(second.WaitForExit(), 1);
  EXPECT_THAT(second.err_text(),
              HasSubstr("cannot listen on " + address + ": the address is in use"));
}

TEST(Process, RefusesAnAddressThatOthersCanReachWithoutInsecure) {
  Child refused({"0.0.0.0:0"});
  EXPECT_EQ(refused.WaitForExit(), 1);
  EXPECT_THAT(refused.err_text(), HasSubstr("--insecure"));

  Child allowed({"0.0.0.0:0", "--insecure"});
  Client client(allowed.ReadLine());
  EXPECT_OK(client.Echo(0));
}

TEST(Process, RefusesWhatIsNoAddress) {
  Child child({"localhost"});

  EXPECT_EQ(child.WaitForExit(), 1);
  EXPECT_THAT(child.err_text(), HasSubstr("host:port"));
}

}  // namespace
}  // namespace lockstep::rpc

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "--serve") == 0) {
    return lockstep::rpc::ServeAsChild(argc, argv);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
