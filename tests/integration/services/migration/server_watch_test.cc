// WatchRun: from any offset, nothing skipped, nothing repeated, no thread per watcher.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "tests/integration/services/migration/server_fixture.h"

namespace lockstep::migration {
namespace {

using ::lockstep::testing::HasField;
using ::lockstep::testing::Reason;
using ::lockstep::testing::StatusIs;
using ::testing::AllOf;

std::vector<std::int64_t> OffsetsOf(const std::vector<v1::RunEvent>& events) {
  std::vector<std::int64_t> offsets;
  for (const v1::RunEvent& event : events) offsets.push_back(event.offset());
  return offsets;
}

std::vector<std::int64_t> From(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = first; i <= last; ++i) offsets.push_back(i);
  return offsets;
}

class MigrationServerWatch : public ServerTest {
 protected:
  // Watches from every offset up to `at_most` while `let_it_run` brings the run to its end, then
  // again when it is over.
  void ExpectEveryOffsetContinues(const std::string& name, std::int64_t at_most,
                                  const std::function<void()>& let_it_run) {
    std::vector<Watched> running(static_cast<std::size_t>(at_most) + 1);
    std::vector<std::thread> threads;
    for (std::size_t after = 0; after < running.size(); ++after) {
      threads.emplace_back(
          [&, after] { running[after] = Watch(name, static_cast<std::int64_t>(after)); });
    }
    let_it_run();
    for (std::thread& thread : threads) thread.join();
    const auto over = GetRun(name);
    ASSERT_OK(over);
    const std::int64_t last = over->last_offset();
    ASSERT_GT(last, at_most);
    for (std::size_t after = 0; after < running.size(); ++after) {
      EXPECT_OK(running[after].status);
      EXPECT_EQ(OffsetsOf(running[after].events), From(static_cast<std::int64_t>(after) + 1, last));
    }
    const Watched whole = Watch(name);
    for (std::int64_t after = 0; after <= last; ++after) {
      const Watched rest = Watch(name, after);
      EXPECT_OK(rest.status);
      ASSERT_EQ(OffsetsOf(rest.events), From(after + 1, last));
      for (std::size_t i = 0; i < rest.events.size(); ++i) {
        EXPECT_EQ(rest.events[i].DebugString(),
                  whole.events[i + static_cast<std::size_t>(after)].DebugString());
      }
    }
    EXPECT_EQ(whole.events.front().kind(), "run_started");
    EXPECT_EQ(whole.events.back().kind(), "run_finished");
  }
};

TEST_F(MigrationServerWatch, ContinuesFromEveryOffsetOfItsOwnRun) {
  AddGatedRevisions(3);
  Pass(1);
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  ASSERT_TRUE(Eventually([&] { return GetRun(run.name())->last_offset() >= 3; }));

  ExpectEveryOffsetContinues(run.name(), 3, [&] {
    for (int i = 2; i <= 3; ++i) {
      Pass(i);
      EXPECT_TRUE(Eventually([&] { return TableExists("core.t_" + IdOf(i)); }));
    }
  });
}

TEST_F(MigrationServerWatch, ContinuesFromEveryOffsetOfARunOfAnotherProcess) {
  AddGatedRevisions(2);
  Pass(1);
  Start();
  const auto other = NewEngine();
  const std::string id = NewUuid();
  std::thread direct([&] { EXPECT_OK(other->Upgrade(context_, "head", {.run_id = id}, sink_)); });
  ASSERT_TRUE(Eventually([&] {
    const auto run = GetRun("runs/" + id);
    return run.ok() && run->last_offset() >= 3;
  }));

  ExpectEveryOffsetContinues("runs/" + id, 3, [&] { Pass(2); });
  direct.join();
}

TEST_F(MigrationServerWatch, ReadsALogThatIsLongerThanItsMemory) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  ASSERT_OK(Await(run.name()));
  db_.Execute(
      "INSERT INTO migration.run_events (run_id, event_offset, at, kind, message)"
      " SELECT r.run_id, n, now(), 'warning', 'line ' || n FROM migration.runs r,"
      " generate_series((SELECT max(event_offset) + 1 FROM migration.run_events), 2500) n");

  const Watched whole = Watch(run.name());
  EXPECT_OK(whole.status);
  EXPECT_EQ(OffsetsOf(whole.events), From(1, 2500));
  EXPECT_EQ(OffsetsOf(Watch(run.name(), 1234).events), From(1235, 2500));
  EXPECT_EQ(OffsetsOf(Watch(run.name(), 2500).events), From(2501, 2500));
  EXPECT_EQ(OffsetsOf(Watch(run.name(), 9999).events), From(2501, 2500));
}

// On the callback API, so that this process's client side needs no threads either.
class Follower final : public grpc::ClientReadReactor<v1::WatchRunResponse> {
 public:
  Follower(v1::MigrationService::Stub& stub, const std::string& name) {
    request_.set_name(name);
    stub.async()->WatchRun(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    is_in_order_ = is_in_order_ && response_.event().offset() == last_ + 1;
    last_ = response_.event().offset();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    outcome_ = status;
    done.Notify();
  }
  std::int64_t last() const { return last_; }
  bool is_in_order() const { return is_in_order_; }
  const grpc::Status& outcome() const { return outcome_; }

  absl::Notification done;

 private:
  grpc::ClientContext context_;
  v1::WatchRunRequest request_;
  v1::WatchRunResponse response_;
  std::atomic<std::int64_t> last_ = 0;
  std::atomic<bool> is_in_order_ = true;
  grpc::Status outcome_;
};

std::ptrdiff_t ThreadCount() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

TEST_F(MigrationServerWatch, TwoHundredWatchersAddNoThreadAndMissNothing) {
  AddGatedRevisions(5);
  Pass(1);
  Start();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  std::vector<std::unique_ptr<Follower>> followers;
  const auto add = [&](std::size_t count) {
    while (followers.size() < count) {
      followers.push_back(std::make_unique<Follower>(*migration_, run.name()));
    }
    ASSERT_TRUE(Eventually([&] {
      return std::ranges::all_of(followers, [](const auto& f) { return f->last() >= 3; });
    }));
  };
  // gRPC starts its own few threads under the first load.
  add(20);
  const std::ptrdiff_t before = ThreadCount();

  add(200);
  const std::ptrdiff_t with_watchers = ThreadCount();
  for (int i = 2; i <= 5; ++i) {
    Pass(i);
    ASSERT_TRUE(Eventually([&] { return TableExists("core.t_" + IdOf(i)); }));
  }

  for (const auto& follower : followers) {
    ASSERT_TRUE(follower->done.WaitForNotificationWithTimeout(absl::Seconds(20)));
    EXPECT_TRUE(follower->outcome().ok()) << follower->outcome().error_message();
    EXPECT_TRUE(follower->is_in_order());
  }
  const std::int64_t last = GetRun(run.name())->last_offset();
  EXPECT_TRUE(std::ranges::all_of(followers, [&](const auto& f) { return f->last() == last; }));
  // 180 more watchers; gRPC's own pools may still grow a little.
  EXPECT_LE(with_watchers, before + 20);
}

TEST_F(MigrationServerWatch, RefusesBadNamesAndOffsets) {
  folder_.AddRevision("catalog", "aaaa");
  Start();
  EXPECT_THAT(Watch("jobs/1").status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("RESOURCE_NAME_MALFORMED"), HasField("name"))));
  EXPECT_THAT(Watch("").status, StatusIs(absl::StatusCode::kInvalidArgument, HasField("name")));
  EXPECT_THAT(Watch(std::string("runs/\0a", 7)).status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasField("name")));
  EXPECT_THAT(Watch("runs/" + NewUuid()).status,
              StatusIs(absl::StatusCode::kNotFound, Reason("RUN_NOT_FOUND")));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, StartUpgrade());
  EXPECT_THAT(Watch(run.name(), -1).status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(Reason("OFFSET_NEGATIVE"), HasField("after_offset"))));
}

}  // namespace
}  // namespace lockstep::migration
