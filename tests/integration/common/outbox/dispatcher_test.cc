#include "common/outbox/dispatcher.h"

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/integration/common/outbox/fixture.h"

namespace lockstep::outbox {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using DispatcherSql = OutboxFixture;

// Remembers what was delivered; answers OK.
class Recorder {
 public:
  std::vector<absl::Status> Deliver(std::span<const Event> events) {
    absl::MutexLock lock(&mu_);
    for (const Event& event : events) seen_.push_back(event);
    return std::vector<absl::Status>(events.size(), absl::OkStatus());
  }
  DeliverBatch AsDelivery() {
    return [this](const Context&, std::span<const Event> events) { return Deliver(events); };
  }
  std::vector<std::string> Kinds() const {
    absl::MutexLock lock(&mu_);
    std::vector<std::string> kinds;
    for (const Event& event : seen_) kinds.push_back(event.kind);
    return kinds;
  }
  std::vector<Event> seen() const {
    absl::MutexLock lock(&mu_);
    return seen_;
  }

 private:
  mutable absl::Mutex mu_;
  std::vector<Event> seen_ ABSL_GUARDED_BY(mu_);
};

// True while the thread waits in the kernel.
bool IsAsleep(pid_t thread_id) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread_id) + "/stat");
  std::string text;
  std::getline(file, text);
  return text.find(") S ") != std::string::npos;
}

DeliverBatch AlwaysAnswers(const absl::Status& status) {
  return EachEvent([status](const Context&, const Event&) { return status; });
}

TEST_F(DispatcherSql, DeliversOneEventOfEachAggregateAtATime) {
  ASSERT_OK(AppendAll({{"a", "a1", R"({"n": 1})"}, {"a", "a2", "{}"}, {"b", "b1", "{}"}}));
  Recorder recorder;
  Dispatcher dispatcher(*pool_, kOutbox, recorder.AsDelivery());

  ASSERT_OK_AND_ASSIGN(const auto first, dispatcher.RunOnce(Soon()));
  EXPECT_EQ(first.claimed, 2);
  EXPECT_EQ(first.delivered, 2);
  EXPECT_THAT(recorder.Kinds(), ElementsAre("a1", "b1"));
  ASSERT_OK(dispatcher.RunOnce(Soon()));
  EXPECT_THAT(recorder.Kinds(), ElementsAre("a1", "b1", "a2"));
  ASSERT_OK_AND_ASSIGN(const auto last, dispatcher.RunOnce(Soon()));
  EXPECT_EQ(last.claimed, 0);

  EXPECT_EQ(Count("delivered_at IS NULL"), "0");
  const Event event = recorder.seen().front();
  EXPECT_EQ(event.aggregate, "a");
  EXPECT_EQ(event.payload, R"({"n": 1})");
  EXPECT_EQ(event.sequence, 1);
  EXPECT_EQ(event.attempts, 1);
  EXPECT_EQ(event.event_id.size(), 36u);
  EXPECT_EQ(dispatcher.stats().delivered, 3);
}

TEST_F(DispatcherSql, BatchesAreBounded) {
  std::vector<NewEvent> events;
  for (int i = 0; i < 25; ++i) events.push_back({"a" + std::to_string(i), "k", "{}"});
  ASSERT_OK(AppendAll(events));
  Recorder recorder;
  Dispatcher dispatcher(*pool_, kOutbox, recorder.AsDelivery(), {.batch_size = 10});

  for (const int want : {10, 10, 5, 0}) {
    ASSERT_OK_AND_ASSIGN(const auto result, dispatcher.RunOnce(Soon()));
    EXPECT_EQ(result.claimed, want);
  }
}

TEST_F(DispatcherSql, AClaimedAggregateIsLeftAloneByOthers) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}, {"a", "a2", "{}"}}));
  absl::Notification delivering, may_answer;
  Dispatcher slow(*pool_, kOutbox, [&](const Context&, std::span<const Event> events) {
    delivering.Notify();
    may_answer.WaitForNotification();
    return std::vector<absl::Status>(events.size(), absl::OkStatus());
  });
  std::thread thread([&] { EXPECT_OK(slow.RunOnce(Soon())); });
  delivering.WaitForNotification();
  const auto other_pool = NewPool();
  Recorder recorder;
  Dispatcher other(*other_pool, kOutbox, recorder.AsDelivery());

  ASSERT_OK_AND_ASSIGN(const auto meanwhile, other.RunOnce(Soon()));
  EXPECT_EQ(meanwhile.claimed, 0);
  may_answer.Notify();
  thread.join();
  ASSERT_OK(other.RunOnce(Soon()));
  EXPECT_THAT(recorder.Kinds(), ElementsAre("a2"));
}

TEST_F(DispatcherSql, TwoDispatchersKeepTheOrderOfEachAggregate) {
  constexpr int kAggregates = 40, kEach = 10;
  std::vector<NewEvent> events;
  for (int n = 0; n < kEach; ++n) {
    for (int a = 0; a < kAggregates; ++a) {
      events.push_back({"a" + std::to_string(a), std::to_string(n), "{}"});
    }
  }
  ASSERT_OK(AppendAll(events));
  absl::Mutex mu;
  std::map<std::string, std::vector<std::string>> applied;
  std::set<std::string> ids;
  std::mt19937 random(7);
  bool has_mixed_batch = false;
  const DeliverBatch deliver = [&](const Context&, std::span<const Event> batch) {
    absl::MutexLock lock(&mu);
    std::vector<absl::Status> answers;
    std::set<std::string> aggregates;
    for (const Event& event : batch) {
      if (!aggregates.insert(event.aggregate).second) has_mixed_batch = true;
      if (random() % 4 == 0) {
        answers.push_back(absl::UnavailableError("try again"));
        continue;
      }
      answers.push_back(absl::OkStatus());
      if (ids.insert(event.event_id).second) applied[event.aggregate].push_back(event.kind);
    }
    return answers;
  };
  const auto other_pool = NewPool();
  const DispatcherOptions options{.batch_size = 7,
                                  .poll_interval = absl::Milliseconds(5),
                                  .backoff_initial = absl::Milliseconds(1),
                                  .backoff_max = absl::Milliseconds(10)};
  // Neither goes on before both have claimed something, so that both take part.
  absl::Notification one_has, two_has;
  const auto after_both = [&deliver](absl::Notification& mine, absl::Notification& others) {
    return [&](const Context& context, std::span<const Event> batch) {
      if (!mine.HasBeenNotified()) mine.Notify();
      EXPECT_TRUE(others.WaitForNotificationWithTimeout(absl::Seconds(10)));
      return deliver(context, batch);
    };
  };
  Dispatcher one(*pool_, kOutbox, after_both(one_has, two_has), options);
  Dispatcher two(*other_pool, kOutbox, after_both(two_has, one_has), options);
  one.Start();
  two.Start();
  EXPECT_TRUE(Eventually([&] { return Count("delivered_at IS NULL") == "0"; }));
  one.Stop();
  two.Stop();

  EXPECT_FALSE(has_mixed_batch);
  ASSERT_EQ(applied.size(), static_cast<std::size_t>(kAggregates));
  for (const auto& [aggregate, kinds] : applied) {
    EXPECT_THAT(kinds, ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")) << aggregate;
  }
  EXPECT_EQ(one.stats().delivered + two.stats().delivered, kAggregates * kEach);
}

TEST_F(DispatcherSql, AStaleAnswerDoesNotDisturbTheNextClaim) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}}));
  Recorder recorder;
  const auto other_pool = NewPool();
  Dispatcher other(*other_pool, kOutbox, recorder.AsDelivery());
  // While it delivers, its lease runs out and another dispatcher delivers; then its own delivery
  // fails.
  Dispatcher late(*pool_, kOutbox,
                  [&](const Context&, std::span<const Event> events) {
                    LetTimePass();
                    EXPECT_OK(other.RunOnce(Soon()));
                    return std::vector<absl::Status>(events.size(),
                                                     absl::InvalidArgumentError("no"));
                  },
                  {.permanent_attempts = 1});

  ASSERT_OK(late.RunOnce(Soon()));

  EXPECT_EQ(Count("delivered_at IS NOT NULL AND dead_at IS NULL AND last_error IS NULL"), "1");
}

TEST_F(DispatcherSql, PassingFailuresBackOffAndHoldBackTheirAggregateOnly) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}, {"a", "a2", "{}"}, {"b", "b1", "{}"}}));
  std::vector<std::string> tried;
  Dispatcher dispatcher(*pool_, kOutbox, EachEvent([&](const Context&, const Event& event) {
    tried.push_back(event.kind);
    return event.aggregate == "a" ? absl::UnavailableError("down") : absl::OkStatus();
  }),
                        {.backoff_initial = absl::Minutes(1), .backoff_max = absl::Minutes(3)});

  ASSERT_OK(dispatcher.RunOnce(Soon()));
  EXPECT_THAT(tried, ElementsAre("a1", "b1"));
  ASSERT_OK_AND_ASSIGN(const auto waiting, dispatcher.RunOnce(Soon()));
  EXPECT_EQ(waiting.claimed, 0);
  EXPECT_EQ(Count("kind = 'a1' AND last_error LIKE 'UNAVAILABLE: %' AND next_attempt_at BETWEEN"
                  " now() + interval '20 seconds' AND now() + interval '1 minute'"),
            "1");
  for (int i = 0; i < 9; ++i) {
    LetTimePass();
    ASSERT_OK(dispatcher.RunOnce(Soon()));
  }
  EXPECT_EQ(Count("kind = 'a1' AND attempts = 10 AND dead_at IS NULL AND next_attempt_at BETWEEN"
                  " now() + interval '80 seconds' AND now() + interval '3 minutes'"),
            "1");
  EXPECT_EQ(dispatcher.stats().retried, 10);
}

TEST_F(DispatcherSql, RefusedEventsDieAndReleaseTheirAggregate) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}, {"a", "a2", "{}"}}));
  std::vector<Outcome> outcomes;
  std::vector<std::string> delivered;
  Dispatcher dispatcher(*pool_, kOutbox, EachEvent([&](const Context&, const Event& event) {
    if (event.kind == "a1") {
      return Error(absl::StatusCode::kNotFound, "ITEM_NOT_FOUND",
                   std::string(600, 'x') + std::string(1, '\0'))
          .ToStatus();
    }
    delivered.push_back(event.kind);
    return absl::OkStatus();
  }),
                        {.permanent_attempts = 2,
                         .on_outcome = [&](const Event&, const absl::Status&, Outcome outcome) {
                           outcomes.push_back(outcome);
                         }});

  ASSERT_OK(dispatcher.RunOnce(Soon()));
  LetTimePass();
  ASSERT_OK(dispatcher.RunOnce(Soon()));
  EXPECT_THAT(outcomes, ElementsAre(Outcome::kWillRetry, Outcome::kDead));
  EXPECT_THAT(delivered, IsEmpty());
  ASSERT_OK(dispatcher.RunOnce(Soon()));
  EXPECT_THAT(delivered, ElementsAre("a2"));

  ASSERT_OK_AND_ASSIGN(const auto letters, pool_->Read(Soon(), [](pg::Tx& tx) {
    return DeadLetters(tx, kOutbox, 10);
  }));
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].event.kind, "a1");
  EXPECT_THAT(letters[0].last_error, HasSubstr("NOT_FOUND: ITEM_NOT_FOUND: xxx"));
  EXPECT_EQ(letters[0].last_error.size(), 500u);
}

TEST_F(DispatcherSql, ARevivedDeadLetterIsDelivered) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}}));
  Dispatcher refused(*pool_, kOutbox, AlwaysAnswers(absl::NotFoundError("no item")),
                     {.permanent_attempts = 1});
  ASSERT_OK(refused.RunOnce(Soon()));
  ASSERT_EQ(Count("dead_at IS NOT NULL"), "1");
  const std::string id = database_.QueryText("SELECT event_id FROM shop.outbox");
  const auto revive = [&](std::string_view event_id) {
    return pool_->Write(Soon(), [&](pg::Tx& tx) { return Revive(tx, kOutbox, event_id); });
  };

  EXPECT_OK(revive(id));
  EXPECT_THAT(revive(id), StatusIs(absl::StatusCode::kNotFound, Reason("DEAD_LETTER_NOT_FOUND")));
  EXPECT_THAT(revive("x"), StatusIs(absl::StatusCode::kNotFound));
  Recorder recorder;
  Dispatcher accepted(*pool_, kOutbox, recorder.AsDelivery());
  ASSERT_OK(accepted.RunOnce(Soon()));
  EXPECT_THAT(recorder.Kinds(), ElementsAre("a1"));
}

TEST_F(DispatcherSql, PassingFailuresDieAfterMaxAttempts) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}}));
  Dispatcher dispatcher(*pool_, kOutbox, AlwaysAnswers(absl::UnavailableError("down")),
                        {.max_attempts = 2});

  ASSERT_OK(dispatcher.RunOnce(Soon()));
  LetTimePass();
  ASSERT_OK(dispatcher.RunOnce(Soon()));

  EXPECT_EQ(Count("dead_at IS NOT NULL AND attempts = 2"), "1");
}

TEST_F(DispatcherSql, AWrongNumberOfAnswersIsAFailureOfAll) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}, {"b", "b1", "{}"}}));
  Dispatcher dispatcher(*pool_, kOutbox, [](const Context&, std::span<const Event>) {
    return std::vector<absl::Status>(1, absl::OkStatus());
  });

  ASSERT_OK_AND_ASSIGN(const auto result, dispatcher.RunOnce(Soon()));

  EXPECT_EQ(result.delivered, 0);
  EXPECT_EQ(Count("delivered_at IS NULL AND last_error LIKE 'INTERNAL: INVARIANT_BROKEN%'"), "2");
}

TEST_F(DispatcherSql, NotifyWakesTheThread) {
  Recorder recorder;
  Dispatcher dispatcher(*pool_, kOutbox, recorder.AsDelivery(), {.poll_interval = absl::Hours(1)});
  dispatcher.Start();
  for (int i = 1; i <= 20; ++i) {
    ASSERT_OK(AppendAll({{"a", "k", "{}"}}));
    dispatcher.Notify();
    ASSERT_TRUE(Eventually([&] { return recorder.seen().size() == static_cast<std::size_t>(i); }));
  }
  dispatcher.Stop();
}

TEST_F(DispatcherSql, StopLetsTheBatchInFlightFinish) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}}));
  absl::Notification delivering, may_answer;
  Dispatcher dispatcher(*pool_, kOutbox,
                        [&](const Context& context, std::span<const Event> events) {
                          delivering.Notify();
                          may_answer.WaitForNotification();
                          EXPECT_FALSE(context.is_cancelled());
                          return std::vector<absl::Status>(events.size(), absl::OkStatus());
                        });
  dispatcher.Start();
  delivering.WaitForNotification();
  std::atomic<pid_t> stopper_id = 0;
  std::thread stopper([&] {
    stopper_id = gettid();
    dispatcher.Stop(absl::Seconds(30));
  });
  // Then it waits inside Stop(), which has cancelled already if it cancels at once.
  EXPECT_TRUE(Eventually([&] { return stopper_id != 0 && IsAsleep(stopper_id); }));
  may_answer.Notify();
  stopper.join();

  EXPECT_EQ(Count("delivered_at IS NOT NULL"), "1");
}

TEST_F(DispatcherSql, StopCancelsAStuckDeliveryAndGivesTheEventsBack) {
  ASSERT_OK(AppendAll({{"a", "a1", "{}"}}));
  absl::Notification delivering;
  Dispatcher dispatcher(*pool_, kOutbox,
                        [&](const Context& context, std::span<const Event> events) {
                          absl::Notification cancelled;
                          const auto registration = context.OnCancel([&] { cancelled.Notify(); });
                          delivering.Notify();
                          cancelled.WaitForNotification();
                          return std::vector<absl::Status>(events.size(), context.Check());
                        });
  dispatcher.Start();
  delivering.WaitForNotification();

  dispatcher.Stop(absl::ZeroDuration());

  EXPECT_EQ(Count("delivered_at IS NULL AND attempts = 0 AND next_attempt_at <= now()"), "1");
}

TEST_F(DispatcherSql, SurvivesALostDatabaseConnection) {
  Recorder recorder;
  Dispatcher dispatcher(*pool_, kOutbox, recorder.AsDelivery(),
                        {.poll_interval = absl::Milliseconds(5),
                         .backoff_initial = absl::Milliseconds(1),
                         .backoff_max = absl::Milliseconds(20)});
  dispatcher.Start();
  for (int i = 1; i <= 5; ++i) {
    database_.Execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
        " current_database() AND pid <> pg_backend_pid();"
        "INSERT INTO shop.outbox (aggregate, kind, payload) VALUES ('a', 'k', '{}')");
    ASSERT_TRUE(Eventually([&] { return Count("delivered_at IS NULL") == "0"; }));
  }
  dispatcher.Stop();

  std::set<std::string> ids;
  for (const Event& event : recorder.seen()) ids.insert(event.event_id);
  EXPECT_EQ(ids.size(), 5u);
}

}  // namespace
}  // namespace lockstep::outbox
