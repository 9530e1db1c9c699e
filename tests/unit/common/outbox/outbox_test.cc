#include <string>
#include <type_traits>
#include <vector>

#include "common/outbox/dispatcher.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::outbox {
namespace {

using lockstep::testing::StatusIs;

std::vector<Event> ThreeEvents() {
  std::vector<Event> events(3);
  events[0].event_id = "a";
  events[1].event_id = "b";
  events[2].event_id = "c";
  return events;
}

TEST(EachEvent, KeepsTheOrderOfTheAnswers) {
  const DeliverBatch deliver = EachEvent([](const Context&, const Event& event) {
    return event.event_id == "b" ? absl::NotFoundError("b") : absl::OkStatus();
  });

  const auto statuses = deliver(Context::WithTimeout(absl::Minutes(1)), ThreeEvents());

  ASSERT_EQ(statuses.size(), 3u);
  EXPECT_OK(statuses[0]);
  EXPECT_THAT(statuses[1], StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(statuses[2]);
}

TEST(EachEvent, StopsWhenItsContextIsCancelled) {
  const Context context = Context::WithTimeout(absl::Minutes(1));
  int calls = 0;
  const DeliverBatch deliver = EachEvent([&](const Context&, const Event&) {
    if (++calls == 2) context.Cancel();
    return absl::OkStatus();
  });

  const auto statuses = deliver(context, ThreeEvents());

  EXPECT_EQ(calls, 2);
  ASSERT_EQ(statuses.size(), 3u);
  EXPECT_OK(statuses[1]);
  EXPECT_THAT(statuses[2], StatusIs(absl::StatusCode::kCancelled));
}

// A table's name becomes SQL text: it must not be possible to make one from a value.
static_assert(!std::is_convertible_v<std::string, pg::TableName>);
static_assert(!std::is_convertible_v<std::string_view, pg::TableName>);

}  // namespace
}  // namespace lockstep::outbox
