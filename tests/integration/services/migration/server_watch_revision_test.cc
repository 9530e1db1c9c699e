// WatchRevision: at once, on every change, without a thread per watcher.
#include <algorithm>
#include <atomic>
#include <filesystem>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;

// On the callback API, so that this process's client side needs no threads either.
class Watching final : public grpc::ClientReadReactor<v1::WatchRevisionResponse> {
 public:
  Watching(v1::RegistryService::Stub& stub, const std::string& service,
           const std::string& revision) {
    request_.set_service(service);
    request_.set_revision(revision);
    stub.async()->WatchRevision(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  ~Watching() override {
    context_.TryCancel();
    done_.WaitForNotification();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    is_applied_ = response_.is_applied();
    ++answers_;
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    outcome_ = rpc::FromGrpc(status);
    done_.Notify();
  }
  int answers() const { return answers_; }
  bool is_applied() const { return is_applied_; }
  // How the stream ended; waits for that.
  const absl::Status& Outcome() {
    done_.WaitForNotification();
    return outcome_;
  }

 private:
  grpc::ClientContext context_;
  v1::WatchRevisionRequest request_;
  v1::WatchRevisionResponse response_;
  std::atomic<int> answers_ = 0;
  std::atomic<bool> is_applied_ = false;
  absl::Status outcome_;
  absl::Notification done_;
};

class MigrationServerWatchRevision : public ServerTest {
 protected:
  MigrationServerWatchRevision() {
    folder_.AddRevision("catalog", "aaaa");
    folder_.AddRevision("catalog", "bbbb", "down_revision: \"aaaa\"\n");
    folder_.AddRevision("orders", "cccc");
    Start();
  }
  std::unique_ptr<Watching> Watch(const std::string& service, const std::string& revision) {
    return std::make_unique<Watching>(*registry_, service, revision);
  }
  static bool Says(const Watching& watching, bool is_applied) {
    return watching.answers() > 0 && watching.is_applied() == is_applied;
  }
};

TEST_F(MigrationServerWatchRevision, SaysWhatIsAndWhatBecomesOfIt) {
  const auto watching = Watch("catalog", "bb");
  ASSERT_TRUE(Eventually([&] { return Says(*watching, false); }));
  EXPECT_EQ(watching->answers(), 1);

  ASSERT_OK(StartUpgrade("aaaa"));
  ASSERT_TRUE(Eventually([&] { return TableExists("core.t_aaaa"); }));
  EXPECT_FALSE(watching->is_applied());
  ASSERT_TRUE(Eventually([&] { return StartUpgrade("head").ok(); }));
  ASSERT_TRUE(Eventually([&] { return Says(*watching, true); }));
  EXPECT_EQ(watching->answers(), 2);
  const auto late = Watch("", "bbbb");
  ASSERT_TRUE(Eventually([&] { return late->answers() > 0; }));
  EXPECT_TRUE(late->is_applied());

  ASSERT_TRUE(Eventually([&] { return StartDowngrade("aaaa").ok(); }));
  EXPECT_TRUE(Eventually([&] { return Says(*watching, false) && Says(*late, false); }));
}

TEST_F(MigrationServerWatchRevision, SeesWhatOtherProcessesDo) {
  const auto watching = Watch("catalog", "");
  ASSERT_TRUE(Eventually([&] { return Says(*watching, false); }));

  ASSERT_OK(Upgrade());
  EXPECT_TRUE(Eventually([&] { return Says(*watching, true); }));
  ASSERT_OK(Downgrade("aaaa"));
  EXPECT_TRUE(Eventually([&] { return Says(*watching, false); }));
}

std::ptrdiff_t ThreadCount() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

TEST_F(MigrationServerWatchRevision, TwoHundredWatchersAddNoThread) {
  std::vector<std::unique_ptr<Watching>> all;
  const auto add = [&](std::size_t count) {
    while (all.size() < count) all.push_back(Watch("catalog", all.size() % 2 == 0 ? "" : "aaaa"));
    ASSERT_TRUE(Eventually([&] {
      return std::ranges::all_of(all, [](const auto& one) { return one->answers() > 0; });
    }));
  };
  // gRPC starts its own few threads under the first load.
  add(20);
  const std::ptrdiff_t before = ThreadCount();

  add(200);
  const std::ptrdiff_t with_watchers = ThreadCount();
  ASSERT_OK(StartUpgrade());

  EXPECT_TRUE(Eventually(
      [&] { return std::ranges::all_of(all, [](const auto& one) { return Says(*one, true); }); }));
  // 180 more watchers; gRPC's own pools may still grow a little.
  EXPECT_LE(with_watchers, before + 20);
}

TEST_F(MigrationServerWatchRevision, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(Watch("shipping", "")->Outcome(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("SERVICE_UNKNOWN"), HasField("service"))));
  EXPECT_THAT(Watch("", "")->Outcome(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("service")));
  EXPECT_THAT(
      Watch("catalog", "dddd")->Outcome(),
      StatusIs(absl::StatusCode::kNotFound, AllOf(Reason("TARGET_UNKNOWN"), HasField("revision"))));
  EXPECT_THAT(
      Watch("catalog", "cccc")->Outcome(),
      StatusIs(absl::StatusCode::kNotFound, AllOf(Reason("TARGET_UNKNOWN"), HasField("revision"))));
}

TEST_F(MigrationServerWatchRevision, EndsWhenTheServerStops) {
  const auto watching = Watch("catalog", "");
  ASSERT_TRUE(Eventually([&] { return watching->answers() > 0; }));

  Stop();

  EXPECT_THAT(watching->Outcome(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace lockstep::migration
